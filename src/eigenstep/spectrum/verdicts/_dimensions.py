"""How many of the embedding's directions carry its variance."""

import numpy as np

from eigenstep.spectrum.verdicts._signals import Signals

# The share of the variance that is asked for.
CARRIED = 0.99
# Beside the largest eigenvalue, what float32 embeddings of one direction less have in its place.
NOTHING = 1e-12
# Dimensional collapse: no more than a quarter of the directions carry the variance, or a quarter are empty.
FEW, EMPTY = 0.25, 1e-6


def carrying(eigenvalues: np.ndarray, signals: Signals) -> int:
    """The smallest number of leading directions that hold 99 % of the variance, d at most.

    Where only the leading eigenvalues are known, each other one is taken to be as large as the last of them.
    """
    unknown = (signals.dim - len(eigenvalues)) * eigenvalues[-1]
    whole = eigenvalues.sum() + unknown
    reached = np.cumsum(eigenvalues) >= CARRIED * whole
    return int(np.argmax(reached)) + 1 if reached.any() else signals.dim


def empty(eigenvalues: np.ndarray, signals: Signals, level: float = EMPTY) -> int:
    """How many of the directions that a measurement can have hold less than `level` of the largest one."""
    possible = eigenvalues[: signals.rank_limit]
    below = int((possible <= level * max(possible[0], np.finfo(float).tiny)).sum())
    unknown = max(signals.rank_limit - len(possible), 0)
    return below + unknown if below else 0
