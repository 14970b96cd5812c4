"""Which step of a run is at which time t, the sum of its learning rates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.record._record import RunRecord


class StepClock:
    """The step at a time; called with one, it gives the other.

    Parameters
    ----------
    step, time : ArrayLike
        (T,) those known, ascending; where a time is not finite, it is not known.
    rate : float
        Time that a step takes beyond them; by default what the last one took.

    Examples
    --------
    >>> clock = StepClock([0, 10, 20], [0.0, 1.0, 3.0])
    >>> clock(2.0), clock(5.0)
    (15.0, 30.0)
    """

    def __init__(self, step: ArrayLike, time: ArrayLike, rate: float = 0.0) -> None:
        step, time = np.asarray(step, dtype=float), np.asarray(time, dtype=float)
        known = np.isfinite(time)
        self._step, self._time = step[known], time[known]
        if not rate and len(self._time) > 1:
            rate = float((self._time[-1] - self._time[-2]) / (self._step[-1] - self._step[-2]))
        self._rate = rate

    @classmethod
    def of(cls, record: RunRecord) -> StepClock:
        """The clock of a record; beyond its end the last learning rate is kept."""
        return cls(record.metrics["step"], record.metrics["time"])

    def __call__(self, time: float) -> float:
        if not len(self._time) or not math.isfinite(time):
            return math.nan
        beyond = max(0.0, time - self._time[-1])
        ahead = beyond / self._rate if self._rate > 0 else 0.0
        return float(np.interp(time, self._time, self._step) + ahead)
