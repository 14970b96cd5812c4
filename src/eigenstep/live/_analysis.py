"""What the rows kept of a run say: the verdict, the modes and the next one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenstep.analysis.tracking import Estimate, Forecast, ModeFit, follow_modes
from eigenstep.analysis.verdicts import judge
from eigenstep.record import FollowedRun, RunRecord, StepClock

Basis = tuple[int, int, float]  # generation, records, and when the summary was written


@dataclass(frozen=True)
class Analysis:
    """Plain names and numbers, as the page takes them.

    Attributes
    ----------
    basis : which rows it rests on, None before the first analysis
    verdict : state, sentence, evidence and whether it is an alarm; None where nothing can be said
    modes : those that have risen or rise, each estimate as [value, low, high], by time and by step
    forecast : of the next mode; None where nothing can be said
    problem : why there is none, in one line
    """

    basis: Basis | None = None
    verdict: dict[str, Any] | None = None
    modes: list[dict[str, Any]] = field(default_factory=list)
    forecast: dict[str, Any] | None = None
    problem: str = ""

    @property
    def learned(self) -> int:
        return sum(mode["learned"] for mode in self.modes)


def basis_of(run: FollowedRun) -> Basis:
    return run.generation, run.kept["metrics"].count, run.ended


def analyse(record: RunRecord, basis: Basis) -> Analysis:
    """Judge a run and follow its modes. A record that cannot be made sense of gives a line that says so."""
    try:
        verdict, history = judge(record), follow_modes(record)
        step_at = StepClock.of(record)
        return Analysis(
            basis,
            {
                "state": verdict.state,
                "sentence": verdict.sentence,
                "alarm": verdict.alarm,
                "evidence": {name: _number(value) for name, value in verdict.evidence.items()},
            },
            [_mode(fit, step_at) for fit in history.fits],
            _forecast(history.forecast),
        )
    except Exception as error:  # whatever foreign numbers make of the arithmetic; the other runs go on
        text = " ".join(str(error).split()) or type(error).__name__
        return Analysis(basis, problem=f"the spectrum cannot be judged ({text})")


def record_to_judge(run: FollowedRun) -> RunRecord:
    """The kept rows of a run, eigenvalues in full; with the probe batch where it was recorded each time."""
    indices = [index for index, _ in run.kept["eigenvalues"].since(0)]
    beside = len(run.projections) >= run.kept["eigenvalues"].count
    return run.record(eigenvalues=indices, projections=indices if beside else [])


def _mode(fit: ModeFit, step_at: StepClock) -> dict[str, Any]:
    half_time, width = fit.half_time, fit.width
    spans = [step_at(half_time.value + each / 2) - step_at(half_time.value - each / 2) for each in width]
    return {
        "mode": int(fit.mode),
        "learned": bool(fit.learned),
        "half_time": {"time": _estimate(half_time), "step": [_number(step_at(end)) for end in half_time]},
        "width": {"time": _estimate(width), "step": [_number(span) for span in spans]},
        "plateau": _estimate(fit.plateau),
        "gamma": _estimate(fit.gamma),
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    moments = {"time": forecast.half_time, "step": forecast.step}
    known = {name: _estimate(estimate) for name, estimate in moments.items() if estimate is not None}
    return {
        "state": forecast.state,
        "mode": None if forecast.mode is None else int(forecast.mode),
        "sentence": forecast.sentence,
        "half_time": known if len(known) == len(moments) else None,
    }


def _estimate(estimate: Estimate) -> list[float | None]:
    return [_number(value) for value in estimate]


def _number(value: float) -> float | None:
    """Six significant digits; JSON has no NaN or infinity."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
