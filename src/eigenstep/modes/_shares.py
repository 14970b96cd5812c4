"""What the first k modes are explained by, and what can be read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._held_out import Halves, held_out_r2

Array = NDArray[np.float64]

# A statistic is known where this share of its variance can be read off.
KNOWN = 0.5
# It is forgotten where it once could be read off by so much more than in the end.
FORGOTTEN = 0.15


def spans(modes: int) -> list[int]:
    """1, 2, 4, ..., at most 64, as far as there are modes.

    Examples
    --------
    >>> spans(20)
    [1, 2, 4, 8, 16]
    """
    return [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= modes]


def grid(modes: int) -> list[int]:
    """Numbers of modes that statistics are read off, finer than `spans`."""
    return [k for k in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64) if k <= modes]


def explained_shares(
    basis: Array, sets: Mapping[str, Array], split: Halves, sizes: Sequence[int]
) -> dict[str, list[float]]:
    """Share of the span of the first k modes that each set of statistics explains, held out.

    Parameters
    ----------
    basis : Array
        (n, m) orthonormal over the images, see `orthonormal`.
    sets : Mapping[str, Array]
        Of each name its statistics (n, s).
    sizes : Sequence[int]
        The k.

    Examples
    --------
    >>> from eigenstep.modes._evaluated import orthonormal
    >>> from eigenstep.modes._held_out import halves
    >>> q = orthonormal(np.random.default_rng(0).normal(size=(2000, 2)))
    >>> shares = explained_shares(q, {"the first": q[:, :1]}, halves(2000), [1, 2])
    >>> [round(share, 1) for share in shares["the first"]]
    [1.0, 0.5]
    """
    return {
        name: [float(held_out_r2(values, basis[:, :k], split, joint=True)[0]) for k in sizes]
        for name, values in sets.items()
    }


def readable(basis: Array, statistics: Array, split: Halves, sizes: Sequence[int]) -> Array:
    """Held-out R^2, (s, number of sizes), by which each statistic is read off the first k modes.

    Examples
    --------
    >>> from eigenstep.modes import halves, orthonormal
    >>> modes = orthonormal(np.random.default_rng(0).normal(size=(400, 2)))
    >>> found = readable(modes, modes[:, 1:], halves(400), sizes=[1, 2])  # a statistic that is mode 2
    >>> (found > 0.5).tolist()
    [[False, True]]
    """
    return np.stack([held_out_r2(basis[:, :k], statistics, split) for k in sizes], axis=1)


def known_from(curve: Sequence[float], places: Sequence[int]) -> int | None:
    """The first place at which a statistic can be read off; None where it never can.

    Examples
    --------
    >>> known_from([0.1, 0.6, 0.4], [0, 100, 200])
    100
    """
    return next((place for value, place in zip(curve, places, strict=True) if value >= KNOWN), None)


def is_forgotten(curve: Sequence[float]) -> bool:
    """Whether a statistic that was known can be read off by clearly less in the end."""
    return max(curve) >= KNOWN and max(curve) - curve[-1] > FORGOTTEN
