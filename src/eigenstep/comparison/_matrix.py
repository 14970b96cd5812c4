"""The measures of all pairs as matrices, which the picture and the page show."""

import string
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.comparison._result import SideBySide

TITLES = {
    "overlap": "subspace overlap",
    "angle": "mean principal angle",
    "cka": "linear CKA",
    "procrustes": "Procrustes",
    "neighbours": "nearest neighbours",
}
# What is drawn: of the same kind, 1 where inputs agree.
DRAWN = ("overlap", "cka", "procrustes", "neighbours")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A measure of every pair of inputs: values and chance levels (m, m), symmetric, 1 on the diagonal."""

    measure: str
    values: NDArray[np.float64]
    chances: NDArray[np.float64]


def letters(count: int) -> list[str]:
    """Short names of inputs: A, B, ..., Z, AA, AB, ...

    >>> letters(28)[25:]
    ['Z', 'AA', 'AB']
    """
    names = list(string.ascii_uppercase)
    return (names + [first + second for first in names for second in names])[:count]


def matrices(found: SideBySide) -> list[Matrix]:
    """The measures that are drawn."""
    count = len(found.inputs)
    drawn = []
    for measure in DRAWN:
        values, chances = np.eye(count), np.full((count, count), np.nan)
        for pair in found.pairs:
            agreement = pair.whole[measure]
            for place in ((pair.first, pair.second), (pair.second, pair.first)):
                values[place], chances[place] = agreement.value, agreement.chance
        drawn.append(Matrix(measure, values, chances))
    return drawn
