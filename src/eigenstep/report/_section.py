"""One run as a section of the page."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from eigenstep.advice import advise
from eigenstep.analysis import (
    ClosedForm,
    HalfTime,
    Rise,
    analyse,
    drift_of,
    find_plain,
    landmarks_of,
)
from eigenstep.record import RunRecord
from eigenstep.report import facts
from eigenstep.report._cloud import SAMPLES, point_cloud
from eigenstep.report._curves import EIGENVALUES, eigenvalue_curves, loss_curve, predicted_curves, sparkline
from eigenstep.report._numbers import plain, written
from eigenstep.report._update_rule import beside_words, rule_words

# Half-times in the overview's row, and rows of a table of modes.
LISTED, ROWS = 6, 24
# Lines on what is damaged or missing.
DAMAGE_TOLD = 20


class RunSection:
    """A run's record with everything that the page says about it.

    Parameters
    ----------
    others : Iterable[RunRecord]
        The other runs of the page, among which a run under a rule of its own finds the plain one that it is
        measured by.

    Attributes
    ----------
    analysis
        What the record says.
    beside : ClosedForm | None
        The closed form beside what was measured, None where there is none or nothing was measured.

    Raises
    ------
    ValueError
        If nothing has been measured yet.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer, times = RecordWriter(tempfile.mkdtemp(), 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.5])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> section = RunSection(read_record(writer.path))
    >>> [round(rise.half_time, 2) for rise in section.rises], section.comparison
    ([1.0, 2.5], [])
    """

    def __init__(self, record: RunRecord, others: Iterable[RunRecord] = ()) -> None:
        missing = {"step", "time", "loss"} - set(record.metrics)
        if missing or not len(record.metrics["step"]):
            raise ValueError(
                f"{record.path} has no measurement yet: expected lines with step, time and loss in "
                "metrics.jsonl; let the run go on to its first measurement"
            )
        self.record = record
        self.analysis = analyse(record)
        # A prediction's own curves are the prediction: there is nothing measured to lay it over.
        self.beside: ClosedForm | None = None if record.is_prediction else self.analysis.closed_form
        self.step_at = self.analysis.clock.step_at
        self.plain = find_plain(record, others)

    @property
    def rises(self) -> list[Rise]:
        """The modes learned, in the order of the embeddings' eigenvalues, half-times in units of t."""
        return self.analysis.rises

    @property
    def comparison(self) -> list[HalfTime]:
        """Predicted against measured half-times, empty without a closed form beside a measurement."""
        return self.analysis.half_times if self.beside else []

    @property
    def foreseen(self) -> list[HalfTime]:
        """The half-times of a folder that is a prediction, mode by mode."""
        return self.analysis.half_times if self.record.is_prediction else []

    @property
    def coloured(self) -> int:
        """How many eigenvalues get a colour of their own: those learned, or a few where none was."""
        learned = [rise.mode for rise in self.rises] + [row.mode for row in self.comparison]
        return max(3, max(learned) + 1) if learned else 10

    def data(self) -> dict[str, Any]:
        """What the page's scripts draw."""
        end = float(np.nanmax(self.record.metrics["time"]))
        if self.beside:
            marks = [(row.mode, row.predicted) for row in self.comparison]
        else:
            marks = [(rise.mode, rise.half_time) for rise in self.rises]
        return {
            "end": {"step": plain(self.record.metrics["step"][-1]), "time": plain(end)},
            "coloured": self.coloured,
            "loss": loss_curve(self.record),
            "eigenvalues": eigenvalue_curves(self.record),
            "predicted": predicted_curves(self.beside, end, self.step_at) if self.beside else None,
            "marks": [
                {"mode": mode, "time": plain(time), "step": plain(self.step_at(time))}
                for mode, time in marks
                if time <= end
            ],
            "cloud": point_cloud(self.record, self.rises),
        }

    def context(self) -> dict[str, Any]:
        """What the page's template says in words."""
        record, loss = self.record, self.record.metrics["loss"]
        rows = record.eigenvalues
        dimension = None if rows is None else rows["cross_correlation"].shape[1]
        projections = record.projections
        finite = loss[np.isfinite(loss)]
        half_times = sorted(rise.half_time for rise in self.rises)
        return {
            "name": record.name,
            "damage": [*record.problems[:DAMAGE_TOLD], *self._gaps()],
            "predicted": record.is_prediction,
            "coloured": self.coloured,
            "sentence": facts.sentence(record, dimension),
            "data": facts.data_name(record),
            "backbone": facts.backbone_name(record),
            "loss_name": facts.loss_name(record),
            "sparkline": sparkline(record.metrics["step"], loss),
            "loss_start": written(float(finite[0]) if len(finite) else None),
            "loss_end": written(float(finite[-1]) if len(finite) else None),
            "measurements": len(loss),
            "not_finite": len(loss) - len(finite),
            "learned": len(self.rises),
            "dimension": dimension or 0,
            "drawn": EIGENVALUES,
            "probe": 0 if projections is None else projections["points"].shape[1],
            "probe_drawn": SAMPLES,
            "separate": len(self.analysis.steps),
            "verdict": None if record.is_prediction else self._verdict(),
            "standing": self._standing(),
            "advice": "" if record.is_prediction else advise(record).sentence,
            "start": self._start(),
            "rule": rule_words(record),
            "beside_plain": None if self.plain is None else beside_words(self.plain, record),
            "forecast": self.analysis.forecast.sentence,
            "half_times": [self._when(time) for time in half_times[:LISTED]],
            "more": max(0, len(self.rises) - LISTED),
            "comparison": [self._comparison_row(row) for row in self.comparison[:ROWS]],
            "worst_error": self._worst_error(),
            "foreseen": [self._foreseen_row(row) for row in self.foreseen[:ROWS]],
            "foreseen_by_rank": self._is_by_rank(),
            "notes": self._notes(),
            "rises": [] if self.beside else [self._rise_row(rise) for rise in self.rises[:ROWS]],
            "rows_left_out": max(0, len(self.comparison or self.rises) - ROWS),
            "rectangular": record.is_rectangular,
            "has_eigenvalues": rows is not None and len(rows) > 0,
            "configuration": facts.configuration(record),
            "counts": facts.counts(record),
        }

    def _when(self, time: float) -> dict[str, str]:
        return {"time": written(time), "step": f"{self.step_at(time):,.0f}"}

    def _rise_row(self, rise: Rise) -> dict[str, Any]:
        width = self.step_at(rise.half_time + rise.width / 2) - self.step_at(rise.half_time - rise.width / 2)
        return {
            "mode": rise.mode,
            "half_time": self._when(rise.half_time),
            "width": {"time": written(rise.width), "step": f"{width:,.0f}"},
            "plateau": written(rise.plateau),
        }

    def _comparison_row(self, row: HalfTime) -> dict[str, Any]:
        return {
            "mode": row.mode,
            "gamma": written(row.gamma),
            "predicted": self._when(row.predicted),
            "measured": None if row.measured is None else self._when(row.measured),
            "error": "–" if row.error is None else _percent(row.error),
        }

    def _is_by_rank(self) -> bool:
        """Whether the closed form's widths and plateaus are eigenvalues' by rank, not modes'."""
        return self.analysis.closed_form is not None and self.analysis.closed_form.by_rank

    def _foreseen_row(self, row: HalfTime) -> dict[str, Any]:
        """A mode of a prediction; where half-times are by mode, so are widths and plateaus."""
        found: dict[str, Any] = {
            "mode": row.mode,
            "gamma": written(row.gamma),
            "when": self._when(row.predicted),
        }
        if not self._is_by_rank():
            rise = self._rise_row(self.rises[row.mode])
            found |= {"width": rise["width"], "plateau": rise["plateau"]}
        return found

    def _verdict(self) -> dict[str, Any]:
        """The verdict as its state and the rest of its sentence."""
        verdict = self.analysis.verdict
        state, _, rest = verdict.sentence.partition(": ")
        return {
            "state": verdict.state,
            "said": state + "." if rest else verdict.sentence,
            "rest": rest[:1].upper() + rest[1:],
            "alarm": verdict.alarm,
            "evidence": [
                (name.replace("_", " "), written(value, 4)) for name, value in verdict.evidence.items()
            ],
        }

    def _standing(self) -> dict[str, Any] | None:
        """Where the loss stands, and between which values; None where they are not known."""
        standing = self.analysis.loss_standing
        if standing is None:
            return None
        return {
            "sentence": f"{standing.sentence}.",
            "short": standing.short,
            "landmarks": [(mark.name, f"{mark.value:.4g}", mark.says) for mark in landmarks_of(self.record)],
        }

    def _start(self) -> dict[str, Any] | None:
        """What the run started from, what is frozen, and how far it has moved; None of other runs."""
        summary, drift = self.record.summary or {}, drift_of(self.record)
        start, frozen = summary.get("start"), summary.get("frozen")
        said = [str(line) for line in start.get("said") or []] if isinstance(start, dict) else []
        if isinstance(frozen, str):
            said.append(f"frozen: {frozen}")
        if drift is None and not said:
            return None
        steps = self.record.metrics["step"]
        return {
            "sentence": None if drift is None else drift.sentence[:1].upper() + drift.sentence[1:] + ".",
            "lines": said[:DAMAGE_TOLD],
            "sparkline": "" if drift is None else sparkline(steps, self.record.metrics["drift/cka"]),
        }

    def _notes(self) -> list[str]:
        """What a prediction says of how its figures came about."""
        said = self.record.prediction or {} if self.record.is_prediction else {}
        notes = [str(note)[:1].upper() + str(note)[1:] + "." for note in said.get("notes") or []]
        fit = said.get("fit")
        if fit:
            factor, run = written(fit.get("time_factor")), str(fit.get("run")).rstrip("/").rsplit("/", 1)[-1]
            notes.append(f"Fitted to {run} by one constant, times are {factor} times those given here.")
        return notes

    def _gaps(self) -> list[str]:
        """Where the record says that measurements are missing."""
        metrics = self.record.metrics
        missing = metrics.get("missing", np.zeros(0))
        found = [
            f"{count:,.0f} measurements before step {step:,} are missing"
            for step, count in zip(metrics["step"], missing, strict=False)
            if count > 0
        ]
        return found[:DAMAGE_TOLD]

    def _worst_error(self) -> str | None:
        errors = [abs(row.error) for row in self.comparison if row.error is not None]
        if not errors:
            return None
        return f"{100 * max(errors):.2f} %" if max(errors) >= 5e-5 else "below 0.01 %"


def _percent(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:+.2f} %".replace("-", "−")
