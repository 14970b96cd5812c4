"""How far two embeddings agree on which images are close to each other."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from eigenstep.spectrum.agreement import Matrix, checked_pair

# Distances held at a time.
_ENTRIES = 2**23


def neighbour_agreement(first: ArrayLike, second: ArrayLike, neighbours: int = 10) -> NDArray[np.float64]:
    """Return the share of each image's nearest neighbours that both embeddings have in common, (n,).

    Nearest by Euclidean distance, the image itself left out; of equally near ones the earlier row. The mean
    over the images is the agreement; by chance it is neighbours / (n - 1).

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    neighbours : int
        How many, below n - 1.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, or too few images for so many neighbours.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.1], [3.3], [9.0]])
    >>> neighbour_agreement(line, -line, neighbours=2)
    array([1., 1., 1., 1., 1.])
    """
    a, b = checked_pair(first, second)
    if not 1 <= neighbours < len(a) - 1:
        raise ValueError(
            f"expected from 1 to {len(a) - 2} neighbours of {len(a)} images, got {neighbours}; with all"
            " others as neighbours any two embeddings agree"
        )
    shared = [
        np.intersect1d(left, right, assume_unique=True).size
        for left, right in zip(_nearest(a, neighbours), _nearest(b, neighbours), strict=True)
    ]
    return np.array(shared) / neighbours


def _nearest(rows: Matrix, count: int) -> NDArray[np.intp]:
    """Return the nearest others of each row by index, (n, count)."""
    found = []
    height = max(1, _ENTRIES // len(rows))
    for start in range(0, len(rows), height):
        distances = cdist(rows[start : start + height], rows)
        here = np.arange(len(distances))
        distances[here, start + here] = np.inf
        found.append(np.argsort(distances, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)
