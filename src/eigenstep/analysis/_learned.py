"""Which modes a run has learned: the one answer that everything that speaks of a run gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.analysis._closed_form import ClosedForm
from eigenstep.analysis._drift import drift_of
from eigenstep.analysis._rises import Rise, find_rises
from eigenstep.analysis._update_rule import update_rule
from eigenstep.record import RunRecord

# Up to so many records each one is judged; of a longer record only one that is longer by this share.
ALWAYS_JUDGED, LONGER = 100, 0.01


def learned_rises(record: RunRecord) -> list[Rise]:
    """The modes that a record shows to have been learned, as `find_rises` judges, by rank of the eigenvalue.

    Half-times are in the record's time, t = learning rate × step. Where the run has a closed form beside it,
    modes are known to settle at 1, also those that the record ends too early to show there. Of a folder that
    is a prediction they are what that says: every mode that it gives a half-time, in the order in which these
    come.
    """
    rows = record.eigenvalues
    found = []
    if rows is not None and len(rows):
        found = find_rises(rows["time"], rows["cross_correlation"], plateau=known_plateau(record))
    if record.is_prediction and record.prediction:
        return ClosedForm(record.prediction).rises(found)
    return found


def known_plateau(record: RunRecord) -> float | None:
    """Where a run's modes are known to settle: at 1 beside a closed form, None where nothing tells."""
    # A folder that is a prediction may be of a loss under which modes end elsewhere than at 1.
    return 1.0 if record.prediction and not record.is_prediction else None


def summarise(record: RunRecord) -> dict[str, Any]:
    """What a summary says of the modes: `learned_modes`, their number, and `rises`, one tree each.

    Of a run whose configuration tells it, `update_rule`: names and a sentence. Of a run that followed its
    drift, `drift`: where it ended, null where not defined, and a sentence.
    """
    rises, drift, rule = learned_rises(record), drift_of(record), update_rule(record)
    said: dict[str, Any] = {"learned_modes": len(rises), "rises": [vars(rise) for rise in rises]}
    if rule is not None:
        said["update_rule"] = {"names": list(rule.names), "sentence": rule.sentence}
    if drift is not None:
        numbers = {
            name: None if value is None or np.isnan(value) else value for name, value in vars(drift).items()
        }
        said["drift"] = numbers | {"sentence": drift.sentence}
    return said


class LearnedCount:
    """How many modes a run that goes on has learned: what `find_rises` says of its record so far.

    Of a record of more than 100 measurements that is asked only when it has grown by 1 %; `latest` asks it of
    all there are.

    Parameters
    ----------
    times, eigenvalues
        (T,) and (T, d) of the record that the run goes on from, if there is one.

    Examples
    --------
    >>> count, times = LearnedCount(), np.linspace(0, 10, 61)
    >>> curves = 1 / (1 + np.exp(-8 * np.stack([times - 2.0, times - 5.0], axis=1)))
    >>> found = [count.add(time, row) for time, row in zip(times, curves)]
    >>> found[0], found[30], found[60], count.latest()
    (0, 1, 2, 2)
    """

    def __init__(self, times: ArrayLike = (), eigenvalues: ArrayLike | None = None) -> None:
        known = np.asarray(times, dtype=np.float64)
        self._records = len(known)
        self._times = known.copy()
        self._curves: NDArray[np.float64] | None = None
        if self._records:
            self._curves = np.array(eigenvalues, dtype=np.float64)
        self._judged = self._count = 0
        self.latest()

    @property
    def count(self) -> int:
        """What was found when it was asked last."""
        return self._count

    def add(self, time: float, eigenvalues: Sequence[float] | NDArray[np.float64]) -> int:
        """Add one measurement (d,), and return the count."""
        self._make_room(len(eigenvalues))
        assert self._curves is not None
        self._times[self._records], self._curves[self._records] = time, eigenvalues
        self._records += 1
        if self._records <= ALWAYS_JUDGED or self._records >= self._judged * (1 + LONGER):
            self.latest()
        return self._count

    def latest(self) -> int:
        """The count of all that was added."""
        if self._curves is not None and self._judged != self._records:
            known = slice(self._records)
            self._count = len(find_rises(self._times[known], self._curves[known]))
            self._judged = self._records
        return self._count

    def _make_room(self, dim: int) -> None:
        if self._curves is None:
            self._times, self._curves = np.zeros(ALWAYS_JUDGED), np.zeros((ALWAYS_JUDGED, dim))
        elif self._records == len(self._times):
            longer = 2 * self._records + 1
            self._times = np.resize(self._times, longer)
            self._curves = np.resize(self._curves, (longer, dim))
