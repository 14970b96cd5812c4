"""How many of the embedding's directions carry its variance."""

from dataclasses import dataclass

import numpy as np

# Share of the variance that is carried.
CARRIED = 0.99
# Beside the largest eigenvalue: where a direction is empty, and where float32 has nothing but rounding.
EMPTY, NOTHING = 1e-6, 1e-12


@dataclass(frozen=True)
class Dimensions:
    """The directions of a spectrum.

    Attributes
    ----------
    dim, known : how many there are, and of how many the eigenvalues are known
    carrying : the smallest number of leading ones that hold 99 % of the variance; all, if those that are
        known do not
    empty : how many of those that the measurement can have hold less than a millionth of the largest
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
    reached = np.cumsum(eigenvalues) >= CARRIED * trace
    carrying = int(np.argmax(reached)) + 1 if reached.any() else dim
    return Dimensions(dim, len(eigenvalues), carrying, count_below(EMPTY, eigenvalues, limit))


def count_below(level: float, eigenvalues: np.ndarray, limit: int) -> int:
    """How many of the first `limit` eigenvalues are at most `level` times the largest."""
    possible = eigenvalues[:limit]
    count = int((possible <= level * possible[0]).sum())
    return count + max(limit - len(possible), 0) if count else 0
