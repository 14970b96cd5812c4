"""How many of the embedding's directions carry its variance, and whether it has settled in few of them."""

from dataclasses import dataclass

import numpy as np

from eigenstep.analysis.verdicts._growth import recent_growth
from eigenstep.analysis.verdicts._signals import ROUNDING, Signals

# Share of the variance that is carried.
CARRIED_SHARE = 0.99
# Beside the largest eigenvalue, where a direction is empty.
EMPTY_BELOW = 1e-6
# Shares of d: so few directions carry the variance, or so many are empty.
FEW_CARRY, MANY_EMPTY = 1 / 10, 1 / 4
# What is left of the variance that the median other direction had at the start, where none has grown; or of
# the peak of the spread of directions.
OTHERS_SHRUNK, SPREAD_NARROWED = 0.25, 0.5
# Share of the time, and measurements in all, over which nothing has grown, where they have not.
STILL_SHARE, STILL_RECORDS = 0.8, 40
# Measurements after which directions that were never there are missed.
MISSED_AFTER = 5


@dataclass(frozen=True)
class Dimensions:
    """The directions of a spectrum.

    Attributes
    ----------
    dim, known : int
        How many there are, and of how many the eigenvalues are known.
    carrying : int
        The smallest number of leading ones that hold 99 % of the variance; all, if those that are known do
        not.
    empty : int
        How many of those that the measurement can have hold less than a millionth of the largest.
    """

    dim: int
    known: int
    carrying: int
    empty: int

    def __str__(self) -> str:
        count = self.carrying if self.is_counted else f"more than {self.known}"
        return f"{count} of {self.dim} directions carry 99 % of the variance"

    @property
    def is_counted(self) -> bool:
        """Whether those that carry the variance are among those that are known."""
        return self.carrying <= self.known

    @property
    def evidence(self) -> dict[str, float]:
        """The numbers for a verdict."""
        count = {"directions": self.carrying} if self.is_counted else {"directions_above": self.known}
        return {name: float(value) for name, value in (count | {"empty": self.empty}).items()}


def count_directions(eigenvalues: np.ndarray, dim: int, limit: int, trace: float | None = None) -> Dimensions:
    """The directions of one measurement (k,) of `dim` dimensions, of which it can have `limit`.

    Of eigenvalues that are not known each is taken to be as large as the last one that is, or the trace
    tells their sum.
    """
    if trace is None:
        trace = eigenvalues.sum() + (dim - len(eigenvalues)) * eigenvalues[-1]
    reached = np.cumsum(eigenvalues) >= CARRIED_SHARE * trace
    carrying = int(np.argmax(reached)) + 1 if reached.any() else dim
    return Dimensions(dim, len(eigenvalues), carrying, count_below(EMPTY_BELOW, eigenvalues, limit))


def count_below(level: float, eigenvalues: np.ndarray, limit: int) -> int:
    """How many of the first `limit` eigenvalues are at most `level` times the largest."""
    possible = eigenvalues[:limit]
    count = int((possible <= level * possible[0]).sum())
    return count + max(limit - len(possible), 0) if count else 0


def lacks_directions(signals: Signals) -> bool:
    """Whether a quarter of the directions has been missing from the first measurement on.

    A small initialisation makes all eigenvalues small, but no such difference between them.
    """
    if len(signals) < MISSED_AFTER:
        return False
    ends, limit = signals.eigenvalues[[0, -1]], signals.rank_limit
    return min(count_below(ROUNDING, eigenvalues, limit) for eigenvalues in ends) >= MANY_EMPTY * limit


def has_settled_in_few(signals: Signals, now: np.ndarray, dimensions: Dimensions) -> bool:
    """Whether few directions carry the variance for good, where nothing grows.

    A step of learning may be followed by a long wait for the next one. So either all other directions have
    lost variance since the start, or embeddings have drawn together, or nothing has grown for long.
    """
    if (
        dimensions.carrying > FEW_CARRY * signals.rank_limit
        and dimensions.empty < MANY_EMPTY * signals.rank_limit
    ):
        return False
    start = np.maximum(signals.eigenvalues[:3].max(axis=0), np.finfo(float).tiny)
    left = (now / start)[dimensions.carrying : signals.rank_limit]
    has_shrunk = len(left) > 0 and np.median(left) <= OTHERS_SHRUNK and left.max() <= 1
    if has_shrunk or signals.spread[-1] <= SPREAD_NARROWED * signals.spread.max():
        return True
    return len(signals) >= STILL_RECORDS and not recent_growth(signals, (STILL_SHARE,)).grows
