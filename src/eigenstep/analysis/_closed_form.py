"""The closed form in a run folder: beside a measurement, or as a prediction of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.analysis._rises import LOGISTIC_WIDTH, Rise
from eigenstep.theory import Preconditioner, Rule, mode_eigenvalues

Array = NDArray[np.float64]

# A curve is drawn at so many moments over all the time, and at so many within so many widths of a half-time.
EVEN_POINTS, POINTS_AROUND, WIDTHS_AROUND = 200, 21, 2.0
# Of so many modes; each moment costs as much as there are modes in all.
MODES_AROUND = 64


@dataclass(frozen=True)
class HalfTime:
    """One mode's predicted and measured half-time, in units of learning rate × step.

    Attributes
    ----------
    mode : int
        Place in the order in which the closed form learns them, 0 for the first.
    gamma : float
        The operator's eigenvalue.
    predicted : float
        When the closed form reaches half of where the mode ends.
    measured : float | None
        When the recorded eigenvalue reached half of its plateau, None if it did not, or nothing was measured.
    error : float | None
        (measured - predicted) / predicted, None where there is no measurement.
    """

    mode: int
    gamma: float
    predicted: float
    measured: float | None
    error: float | None


class ClosedForm:
    """`prediction.json` of a run folder, as curves and as half-times.

    The record holds eigenvalues by rank and not by mode, so predictions are ranked the same way: where a
    large start lets a mode overtake one of larger gamma, ranks follow the order in time.

    Raises
    ------
    ValueError
        If an entry is missing.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        missing = {"gamma", "start_scales", "half_times"} - set(entries)
        if missing:
            raise ValueError(f"prediction.json lacks {', '.join(sorted(missing))}; see docs/run-folder.md")
        self.gamma, self.start_scales, self.half_times = (
            np.array(entries[name], float) for name in ("gamma", "start_scales", "half_times")
        )
        self.learning_rate = entries.get("learning_rate")
        self.rule = _rule(entries)
        self.mode_half_times = np.array(entries.get("mode_half_times") or self.half_times, float)
        self.plateaus = np.array(entries.get("plateaus") or np.ones_like(self.half_times), float)
        # Of an eigenvalue lambda = gamma s^2, which grows twice as fast as the scale s.
        self.scale_rates = np.array(entries.get("growth_rates") or 4 * self.gamma, float)
        # Of a course that was computed in steps half-times and plateaus are the eigenvalues', by their rank.
        self.by_rank = entries.get("course") == "steps"

    def eigenvalues(self, times: Array) -> Array:
        """Predicted eigenvalues of C, (T, d), descending."""
        curves = mode_eigenvalues(self.gamma, self.start_scales, times, self.learning_rate, rule=self.rule)
        return -np.sort(-curves, axis=1)

    def grid(self, end: float) -> Array:
        """Times from 0 to `end`, dense around each of the first half-times, where the curves bend."""
        learned = np.isfinite(self.half_times) & (self.gamma > 0)
        first = np.flatnonzero(learned)[np.argsort(self.half_times[learned], kind="stable")[:MODES_AROUND]]
        widths = LOGISTIC_WIDTH / 2 / self.scale_rates[first]
        steps = np.linspace(-WIDTHS_AROUND, WIDTHS_AROUND, POINTS_AROUND)
        around = self.half_times[first, None] + widths[:, None] * steps
        grid = np.union1d(np.linspace(0, end, EVEN_POINTS), around)
        return grid[(grid >= 0) & (grid <= end)]

    def loss(self, times: Array) -> Array:
        """sum_j (1 - lambda_j)^2, (T,): the loss ||C - I||_F^2 on the closed form's trajectory."""
        total: Array = ((1 - self.eigenvalues(times)) ** 2).sum(axis=1)
        return total

    def compare(self, rises: list[Rise]) -> list[HalfTime]:
        """The modes in the order in which the closed form learns them, those it never learns left out."""
        measured = {rise.mode: rise.half_time for rise in rises}
        rows = []
        for place, mode in enumerate(_in_time(self.mode_half_times, self.gamma)):
            predicted, found = float(self.mode_half_times[mode]), measured.get(place)
            error = None if found is None or predicted == 0 else (found - predicted) / predicted
            rows.append(HalfTime(place, float(self.gamma[mode]), predicted, found, error))
        return rows

    def rises(self, computed: list[Rise]) -> list[Rise]:
        """What a prediction says will be learned: every eigenvalue to which it gives a half-time.

        Parameters
        ----------
        computed : list[Rise]
            The rises of the curves that the prediction holds, which have the widths where half-times are by
            rank.
        """
        if self.by_rank:
            widths = {rise.mode: rise.width for rise in computed}
            ranks = np.flatnonzero(np.isfinite(self.half_times)).tolist()
            found = [(rank, rank, widths.get(rank, np.nan)) for rank in ranks]
        else:
            order = _in_time(self.half_times, self.gamma).tolist()
            rates = 2 * self.scale_rates
            found = [(place, mode, LOGISTIC_WIDTH / rates[mode]) for place, mode in enumerate(order)]
        return [
            Rise(place, float(self.half_times[entry]), float(self.plateaus[entry]), float(width))
            for place, entry, width in found
        ]


def _rule(entries: Mapping[str, Any]) -> Rule:
    """Times under orthogonalised updates are foretold by no kernel: those are of its gradient flow."""
    numbers = entries.get("preconditioner")
    if numbers is None:
        if entries.get("rule") == "preconditioned":
            raise ValueError("prediction.json lacks preconditioner; see docs/run-folder.md")
        return "gradient"
    known = {name: numbers[name] for name in ("power", "damping", "correlations") if name in numbers}
    return Preconditioner(**known)


def _in_time(half_times: Array, gamma: Array) -> NDArray[np.intp]:
    """The modes that are learned, in the order in which that happens."""
    count = min(len(half_times), len(gamma))
    learned = np.flatnonzero(np.isfinite(half_times[:count]) & (gamma[:count] > 0))
    return learned[np.argsort(half_times[learned], kind="stable")]
