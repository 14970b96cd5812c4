"""What a record says: which modes were learned and when, the next one, the verdict."""

from eigenstep.analysis._learned import learned_rises, summarise
from eigenstep.analysis._learned_modes import learned_modes
from eigenstep.analysis._rises import Rise, find_rises, running_median, separate_steps
from eigenstep.analysis._times import TimeComparison, compare_times
from eigenstep.analysis.tracking import (
    Estimate,
    Forecast,
    ModeFit,
    ModeHistory,
    Track,
    Upcoming,
    fit_mode,
    follow_modes,
    forecast_modes,
    forecast_next,
    track_modes,
)
from eigenstep.analysis.verdicts import Verdict, judge, judge_snapshot, judge_spectra

__all__ = [
    "Estimate",
    "Forecast",
    "ModeFit",
    "ModeHistory",
    "Rise",
    "TimeComparison",
    "Track",
    "Upcoming",
    "Verdict",
    "compare_times",
    "find_rises",
    "fit_mode",
    "follow_modes",
    "forecast_modes",
    "forecast_next",
    "judge",
    "judge_snapshot",
    "judge_spectra",
    "learned_modes",
    "learned_rises",
    "running_median",
    "separate_steps",
    "summarise",
    "track_modes",
]
