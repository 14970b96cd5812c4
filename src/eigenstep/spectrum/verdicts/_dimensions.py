"""How many of the embedding's directions carry its variance."""

from dataclasses import dataclass

import numpy as np

from eigenstep.spectrum.verdicts._signals import Signals

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


def count_directions(eigenvalues: np.ndarray, signals: Signals) -> Dimensions:
    """The directions of one measurement (k,).

    Of eigenvalues that are not known each is taken to be as large as the last one that is.
    """
    unknown = signals.dim - len(eigenvalues)
    total = eigenvalues.sum() + unknown * eigenvalues[-1]
    reached = np.cumsum(eigenvalues) >= CARRIED * total
    carrying = int(np.argmax(reached)) + 1 if reached.any() else signals.dim
    return Dimensions(carrying, _below(EMPTY, eigenvalues, signals))


def count_missing(signals: Signals) -> int:
    """How many directions no measurement has had: their eigenvalues are mere rounding throughout."""
    return min(_below(NOTHING, eigenvalues, signals) for eigenvalues in signals.eigenvalues[[0, -1]])


def _below(level: float, eigenvalues: np.ndarray, signals: Signals) -> int:
    possible = eigenvalues[: signals.rank_limit]
    count = int((possible <= level * possible[0]).sum())
    return count + max(signals.rank_limit - len(possible), 0) if count else 0
