"""What a measure of agreement gives where there is nothing to agree on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis import Matrix, checked_pair


def permutation_chance(
    measure: Callable[[Matrix, Matrix], float],
    first: ArrayLike,
    second: ArrayLike,
    *,
    permutations: int = 20,
    seed: int = 0,
) -> float:
    """Return the mean of a measure over random orders of the second embedding's rows.

    Each embedding keeps its own spectrum, and what relates their rows is gone.

    Examples
    --------
    >>> from eigenstep.comparison import space_overlap
    >>> z = np.random.default_rng(0).normal(size=(101, 10))
    >>> round(permutation_chance(space_overlap, z, z), 2)
    0.1
    """
    a, b = checked_pair(first, second)
    generator = np.random.default_rng(seed)
    return float(np.mean([measure(a, b[generator.permutation(len(b))]) for _ in range(permutations)]))
