"""The closed form beside the measurement, for runs that have one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eigenstep.analysis import Rise
from eigenstep.theory import mode_eigenvalues

# The time in which lambda' = 8 gamma lambda (1 - lambda) goes from 10 % to 90 %, times gamma.
WIDTH = np.log(81) / 8


@dataclass(frozen=True)
class HalfTime:
    """One mode's predicted and measured half-time, in units of learning rate × step.

    Attributes
    ----------
    mode : rank of the eigenvalue, 0 for the first to be learned
    gamma : the operator's eigenvalue
    predicted : when the closed form reaches 1/2
    measured : when the recorded eigenvalue reached half of its plateau, None if it did not
    error : (measured - predicted) / predicted, None where there is no measurement
    """

    mode: int
    gamma: float
    predicted: float
    measured: float | None
    error: float | None


class Prediction:
    """`prediction.json` of a run folder, as curves and as half-times.

    The record holds eigenvalues by rank and not by mode, so predictions are ranked the same way: where a
    large start lets a mode overtake one of larger gamma, ranks follow the order in time.

    Raises ValueError if an entry is missing.
    """

    def __init__(self, entries: dict[str, Any]) -> None:
        missing = {"gamma", "start_scales", "half_times"} - set(entries)
        if missing:
            raise ValueError(f"prediction.json lacks {', '.join(sorted(missing))}; see docs/run-folder.md")
        self.gamma, self.start_scales, self.half_times = (
            np.array(entries[name], float) for name in ("gamma", "start_scales", "half_times")
        )
        self.learning_rate = entries.get("learning_rate")

    def eigenvalues(self, times: np.ndarray) -> np.ndarray:
        """Predicted eigenvalues of C, (T, d), descending."""
        curves = mode_eigenvalues(self.gamma, self.start_scales, times, self.learning_rate)
        return -np.sort(-curves, axis=1)

    def grid(self, end: float) -> np.ndarray:
        """Times from 0 to `end`, dense around each half-time, where the curves bend."""
        learned = np.isfinite(self.half_times) & (self.gamma > 0)
        widths = WIDTH / self.gamma[learned]
        around = self.half_times[learned, None] + widths[:, None] * np.linspace(-2, 2, 21)
        grid = np.union1d(np.linspace(0, end, 200), around)
        return grid[(grid >= 0) & (grid <= end)]

    def loss(self, times: np.ndarray) -> np.ndarray:
        """sum_j (1 - lambda_j)^2, (T,): the loss ||C - I||_F^2 on the closed form's trajectory."""
        return ((1 - self.eigenvalues(times)) ** 2).sum(axis=1)

    def compare(self, rises: list[Rise]) -> list[HalfTime]:
        """The modes in the order in which the closed form learns them, those it never learns left out."""
        measured = {rise.mode: rise.half_time for rise in rises}
        learned = np.flatnonzero(np.isfinite(self.half_times) & (self.gamma > 0))
        order = learned[np.argsort(self.half_times[learned], kind="stable")]
        rows = []
        for rank, mode in enumerate(order):
            predicted, found = float(self.half_times[mode]), measured.get(rank)
            error = None if found is None or predicted == 0 else (found - predicted) / predicted
            rows.append(HalfTime(rank, float(self.gamma[mode]), predicted, found, error))
        return rows
