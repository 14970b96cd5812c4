"""An analysis as the page takes it: the verdict, the modes and the next one."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenstep.advice import advise
from eigenstep.analysis import (
    Analysis,
    ClosedForm,
    Estimate,
    Forecast,
    ModeFit,
    Rise,
    RunClock,
    analyse,
    learned_rises,
    update_rule,
)
from eigenstep.record import FollowedRun, GrowingTable, RunRecord, stride_for

Basis = tuple[int, int, float]  # generation, records, and when the summary was written
# Of a record that is thinned all eigenvalues are read, to count the modes as the report does, up to so much.
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class PageAnalysis:
    """Plain names and numbers, as the page takes them.

    Attributes
    ----------
    basis : Basis | None
        Which rows it rests on, None before the first analysis.
    verdict : dict[str, Any] | None
        State, sentence, evidence and whether it is an alarm; None where nothing can be said.
    modes : list[dict[str, Any]]
        Those that have risen or rise, each estimate as [value, low, high], by time and by step.
    forecast : dict[str, Any] | None
        Of the next mode; None where nothing can be said.
    rule : dict[str, str] | None
        Of the updates, its name and a sentence; None where nothing tells. The gain's curve is a measure.
    standing : str
        Where the loss stands, in a sentence; empty where that is not known.
    advice : str
        What is wrong, why and what to do about it, in a sentence; empty where nothing is.
    problem : str
        Why there is no analysis, in one line.
    """

    basis: Basis | None = None
    verdict: dict[str, Any] | None = None
    modes: list[dict[str, Any]] = field(default_factory=list)
    forecast: dict[str, Any] | None = None
    rule: dict[str, str] | None = None
    standing: str = ""
    advice: str = ""
    problem: str = ""

    @property
    def learned(self) -> int:
        return sum(mode["learned"] for mode in self.modes)


def basis_of(run: FollowedRun) -> Basis:
    return run.generation, run.kept["metrics"].count, run.ended


def analyse_for_page(record: RunRecord, basis: Basis, rises: list[Rise] | None = None) -> PageAnalysis:
    """Analyse a run's record. One that cannot be made sense of gives a line that says so.

    Parameters
    ----------
    rises : list[Rise] | None
        The modes learned, where the record holds but some of the measurements.
    """
    try:
        found = _plain(analyse(_without_strange_prediction(record), rises=rises), basis)
        advice = "" if record.is_prediction else advise(record).sentence
        return dataclasses.replace(found, rule=_rule(record), advice=advice)
    except Exception as error:  # whatever foreign numbers make of the arithmetic; the other runs go on
        text = " ".join(str(error).split()) or type(error).__name__
        return PageAnalysis(basis, problem=f"the spectrum cannot be judged ({text})")


def rises_of(run: FollowedRun) -> list[Rise] | None:
    """The modes that a run of a long record has learned, by all of it; None where the kept rows are all.

    What is too long to be read again and again is taken from the summary, and before that from the kept rows.
    """
    count, dtype = run.kept["eigenvalues"].count, run.eigenvalues.dtype
    if dtype is None or count == len(run.kept["eigenvalues"].since(0)):
        return None
    if count * dtype.itemsize <= MOST_BYTES:
        return learned_rises(run.record(eigenvalues=range(count)))
    try:
        return [Rise(**rise) for rise in (run.summary or {})["rises"]]
    except (KeyError, TypeError):
        return None


def _without_strange_prediction(record: RunRecord) -> RunRecord:
    """The record; a closed form that cannot be read hides nothing else."""
    try:
        ClosedForm(record.prediction) if record.prediction else None
    except (ValueError, TypeError):
        return dataclasses.replace(record, prediction=None)
    return record


def _plain(found: Analysis, basis: Basis) -> PageAnalysis:
    verdict = found.verdict
    return PageAnalysis(
        basis,
        {
            "state": verdict.state,
            "sentence": verdict.sentence,
            "alarm": verdict.alarm,
            "evidence": {name: _number(value) for name, value in verdict.evidence.items()},
        },
        [_mode(fit, found.clock) for fit in found.history.fits],
        _forecast(found.forecast),
        standing="" if found.loss_standing is None else f"{found.loss_standing.sentence}.",
    )


def _rule(record: RunRecord) -> dict[str, str] | None:
    rule = update_rule(record)
    return None if rule is None else {"name": rule.name, "sentence": rule.sentence}


def record_to_judge(run: FollowedRun) -> RunRecord:
    """The kept rows of a run, eigenvalues in full; with the probe batch where it was recorded each time."""
    indices = [index for index, _ in run.kept["eigenvalues"].since(0)]
    indices = _that_fit(indices, run.eigenvalues)
    beside = len(run.projections) >= run.kept["eigenvalues"].count
    beside = beside and _that_fit(indices, run.projections) == indices
    return run.record(eigenvalues=indices, projections=indices if beside else [])


def _that_fit(indices: list[int], table: GrowingTable) -> list[int]:
    """As many of the rows, evenly spread, as may be read at once."""
    size = table.dtype.itemsize if table.dtype else 1
    return indices[:: stride_for(len(indices), max(MOST_BYTES // size, 1))]


def _mode(fit: ModeFit, clock: RunClock) -> dict[str, Any]:
    step_at, half_time, width = clock.step_at, fit.half_time, fit.width
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
        "steps_more": None if forecast.steps_more is None else _number(forecast.steps_more),
    }


def _estimate(estimate: Estimate) -> list[float | None]:
    return [_number(value) for value in estimate]


def _number(value: float) -> float | None:
    """Six significant digits; JSON has no NaN or infinity."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
