"""Which images modes are learned from, found again from, and judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A third of fewer is too few to tell a name from chance.
LEAST = 96


@dataclass(frozen=True, eq=False)
class Thirds:
    """Disjoint thirds of n images, each ascending."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    judged: NDArray[np.int64]


def thirds(count: int, seed: int = 0) -> Thirds:
    """Three random parts of `count` images, as even as may be, the largest to be judged on.

    Raises
    ------
    ValueError
        If there are fewer than 96.

    Examples
    --------
    >>> parts = thirds(100)
    >>> len(parts.first), len(parts.second), len(parts.judged)
    (33, 33, 34)
    """
    if count < LEAST:
        raise ValueError(f"expected at least {LEAST} images to explain modes by, got {count}; use more")
    order = np.random.default_rng([seed, 2]).permutation(count)
    third = count // 3
    parts = (np.sort(part) for part in (order[:third], order[third : 2 * third], order[2 * third :]))
    return Thirds(*parts)
