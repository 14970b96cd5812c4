"""What a record says: which modes were learned and when, the next one, the verdict."""

from eigenstep.analysis._analyse import Analysis, analyse
from eigenstep.analysis._closed_form import ClosedForm, HalfTime
from eigenstep.analysis._learned import LearnedCount, learned_rises, summarise
from eigenstep.analysis._rises import Rise, find_rises, running_median, separate_steps
from eigenstep.analysis._run_clock import RunClock
from eigenstep.analysis._times import TimeComparison, compare_times
from eigenstep.analysis._variance_along import variance_along
from eigenstep.analysis.tracking import (
    Estimate,
    Forecast,
    Growth,
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
    "Analysis",
    "ClosedForm",
    "Estimate",
    "Forecast",
    "Growth",
    "HalfTime",
    "LearnedCount",
    "ModeFit",
    "ModeHistory",
    "Rise",
    "RunClock",
    "TimeComparison",
    "Track",
    "Upcoming",
    "Verdict",
    "analyse",
    "compare_times",
    "find_rises",
    "fit_mode",
    "follow_modes",
    "forecast_modes",
    "forecast_next",
    "judge",
    "judge_snapshot",
    "judge_spectra",
    "learned_rises",
    "running_median",
    "separate_steps",
    "summarise",
    "track_modes",
    "variance_along",
]
