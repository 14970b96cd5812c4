"""What a record says: which modes were learned and when, the next one, the verdict."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.analysis._analyse import Analysis, analyse
    from eigenstep.analysis._closed_form import ClosedForm, HalfTime
    from eigenstep.analysis._drift import DriftFound, drift_of
    from eigenstep.analysis._first_modes import Moment, moment_of, stand_out
    from eigenstep.analysis._landmark import (
        CHANCE,
        CONSTANT,
        COPIES,
        FLOOR,
        NOTHING_LEARNED,
        OF_ONE_PROCESS,
        Landmark,
    )
    from eigenstep.analysis._learned import LearnedCount, learned_rises, summarise
    from eigenstep.analysis._loss_standing import (
        STAYS_FOR,
        LossStanding,
        landmarks_of,
        loss_standing,
        place_loss,
    )
    from eigenstep.analysis._mode_steps import (
        ModeSteps,
        mode_steps,
        modes_told,
        sooner,
        sooner_in_words,
        steps_in_words,
    )
    from eigenstep.analysis._plain_run import (
        ModeBeside,
        beside_plain,
        differ_by_rule_alone,
        differing_settings,
        find_plain,
    )
    from eigenstep.analysis._rises import Rise, find_rises, running_median, separate_steps
    from eigenstep.analysis._run_clock import RunClock
    from eigenstep.analysis._times import TimeComparison, compare_times
    from eigenstep.analysis._update_rule import RuleName, UpdateRule, update_rule
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
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Analysis",
    "CHANCE",
    "CONSTANT",
    "COPIES",
    "ClosedForm",
    "DriftFound",
    "Estimate",
    "FLOOR",
    "Forecast",
    "Growth",
    "HalfTime",
    "Landmark",
    "LearnedCount",
    "LossStanding",
    "ModeBeside",
    "ModeFit",
    "ModeHistory",
    "ModeSteps",
    "Moment",
    "NOTHING_LEARNED",
    "OF_ONE_PROCESS",
    "Rise",
    "STAYS_FOR",
    "RuleName",
    "RunClock",
    "TimeComparison",
    "Track",
    "Upcoming",
    "UpdateRule",
    "Verdict",
    "analyse",
    "beside_plain",
    "compare_times",
    "differ_by_rule_alone",
    "differing_settings",
    "drift_of",
    "find_plain",
    "find_rises",
    "fit_mode",
    "follow_modes",
    "forecast_modes",
    "forecast_next",
    "judge",
    "judge_snapshot",
    "judge_spectra",
    "landmarks_of",
    "learned_rises",
    "loss_standing",
    "mode_steps",
    "modes_told",
    "moment_of",
    "place_loss",
    "running_median",
    "separate_steps",
    "sooner",
    "sooner_in_words",
    "stand_out",
    "steps_in_words",
    "summarise",
    "track_modes",
    "update_rule",
    "variance_along",
]
