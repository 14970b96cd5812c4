"""What every comparison demands of its two embeddings, and their rows weighted and centred."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.embeddings import as_float64

Matrix = NDArray[np.float64]


def checked_pair(first: ArrayLike, second: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return two embeddings (n, d_a) and (n, d_b) of the same n images as float64.

    Raises
    ------
    ValueError
        For other shapes, numbers of rows that differ, NaN or infinity, and for embeddings that are the same
        for all images.

    Examples
    --------
    >>> first, second = checked_pair([[1, 2], [3, 4]], [[1], [2]])
    >>> first.dtype, second.shape
    (dtype('float64'), (2, 1))
    """
    a, b = (_checked(name, rows) for name, rows in (("first", first), ("second", second)))
    if len(a) != len(b):
        raise ValueError(
            f"expected embeddings of the same images, row by row, got {len(a)} and {len(b)} rows;"
            " embed one set of images"
        )
    return a, b


def weighted(rows: Matrix, weights: NDArray[np.float64] | None, center: bool = True) -> Matrix:
    """Return rows less their mean, each times the root of its weight (n,), which sum to 1.

    Without weights each is 1 / n. Products of what is returned are weighted means over the images.

    Examples
    --------
    >>> weighted(np.array([[1.0], [3.0]]), np.array([0.5, 0.5])).round(3)
    array([[-0.707],
           [ 0.707]])
    """
    shares = np.full(len(rows), 1 / len(rows)) if weights is None else weights
    moved = rows - shares @ rows if center else rows
    return moved * np.sqrt(shares)[:, None]


def _checked(name: str, rows: ArrayLike) -> Matrix:
    values: Matrix = as_float64(rows, f"{name} embeddings").numpy()
    if values.ndim != 2 or 0 in values.shape or len(values) < 2:
        raise ValueError(f"expected the {name} embeddings as (n, d), n >= 2, got shape {values.shape}")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"the {name} embeddings hold NaN or infinity, first in row {row}; leave them out")
    if not np.ptp(values, axis=0).any():
        raise ValueError(f"the {name} embeddings are the same for all images: there is nothing to compare")
    return values
