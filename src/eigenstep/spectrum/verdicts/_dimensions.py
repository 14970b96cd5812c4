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
    carrying : the smallest number of leading ones that hold 99 % of the variance, d at most
    empty : how many of those that the measurement can have hold less than a millionth of the largest
    """

    carrying: int
    empty: int


def count_directions(eigenvalues: np.ndarray, dim: int, limit: int, trace: float | None = None) -> Dimensions:
    """The directions of one measurement (k,) of `dim` dimensions, of which it can have `limit`.

    Of eigenvalues that are not known each is taken to be as large as the last one that is, or the trace
    tells their sum.
    """
    if trace is None:
        trace = eigenvalues.sum() + (dim - len(eigenvalues)) * eigenvalues[-1]
    reached = np.cumsum(eigenvalues) >= CARRIED * trace
    carrying = int(np.argmax(reached)) + 1 if reached.any() else dim
    return Dimensions(carrying, count_below(EMPTY, eigenvalues, limit))


def count_below(level: float, eigenvalues: np.ndarray, limit: int) -> int:
    """How many of the first `limit` eigenvalues are at most `level` times the largest."""
    possible = eigenvalues[:limit]
    count = int((possible <= level * possible[0]).sum())
    return count + max(limit - len(possible), 0) if count else 0
