"""How far two embeddings agree on which images are close to each other."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from eigenstep.comparison.measures._measure import Undefined, agreement
from eigenstep.spectrum.agreement import Matrix, checked_pair

Similarity = Literal["euclidean", "cosine", "inner_product"]
# Distances held at a time.
_ENTRIES = 2**23


def neighbour_agreement(
    first: ArrayLike, second: ArrayLike, neighbours: int = 10, similarity: Similarity = "euclidean"
) -> NDArray[np.float64]:
    """Return the share of each image's nearest neighbours that both embeddings have in common, (n,).

    The image itself is left out; of equally near ones the earlier row counts. The mean over the images is
    `mutual_knn`; by chance it is neighbours / (n - 1).

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    neighbours : int
        How many, below n - 1.
    similarity : {"euclidean", "cosine", "inner_product"}
        By which images are near; no mean is subtracted. Euclidean distances do not depend on it, the others
        do, and by inner products images of large norm are near to many.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, too few images for so many neighbours, an embedding of norm 0 where
        cosines are asked for.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.1], [3.3], [9.0]])
    >>> neighbour_agreement(line, -line, neighbours=2)
    array([1., 1., 1., 1., 1.])
    """
    a, b = checked_pair(first, second)
    shared = [
        np.intersect1d(left, right, assume_unique=True).size
        for left, right in zip(
            nearest(a, neighbours, similarity), nearest(b, neighbours, similarity), strict=True
        )
    ]
    return np.array(shared) / neighbours


def mutual_knn(
    first: ArrayLike, second: ArrayLike, neighbours: int = 10, similarity: Similarity = "cosine"
) -> float:
    """Return the mean share of nearest neighbours in common, in [0, 1].

    Huh et al. 2024, arXiv:2405.07987, normalise embeddings first and take the largest inner products, which
    is `similarity="cosine"` here. Parameters and errors are those of `neighbour_agreement`.

    Examples
    --------
    >>> turn = np.exp(1j * np.array([0.0, 0.1, 0.3, 0.7, 1.5]))
    >>> circle = np.stack([turn.real, turn.imag], axis=1)
    >>> mutual_knn(circle, 5 * circle[:, ::-1], neighbours=2)
    1.0
    """
    return float(neighbour_agreement(first, second, neighbours, similarity).mean())


def jaccard_knn(
    first: ArrayLike, second: ArrayLike, neighbours: int = 10, similarity: Similarity = "cosine"
) -> float:
    """Return the mean over images of |A and B| / |A or B| of their sets of nearest neighbours, in [0, 1].

    Stricter than `mutual_knn`: m of k neighbours in common are m / (2 k - m). Wang et al. 2020,
    arXiv:2004.02167. Parameters and errors are those of `neighbour_agreement`.

    Examples
    --------
    >>> line = np.array([[1.0], [2.0], [3.1], [4.3], [9.0]])
    >>> jaccard_knn(line, -line, neighbours=2, similarity="euclidean")
    1.0
    """
    shared = neighbour_agreement(first, second, neighbours, similarity)
    return float(np.mean(shared / (2 - shared)))


@agreement("mutual_knn_cosine", "mutual k-NN, cosine")
def _cosine(rows: Matrix, neighbours: int) -> Matrix:
    return _shares(rows, neighbours, "cosine")


@agreement("mutual_knn_inner_product", "mutual k-NN, inner product")
def _inner_product(rows: Matrix, neighbours: int) -> Matrix:
    return _shares(rows, neighbours, "inner_product")


@agreement("mutual_knn_euclidean", "mutual k-NN, Euclidean")
def _euclidean(rows: Matrix, neighbours: int) -> Matrix:
    return _shares(rows, neighbours, "euclidean")


def _jaccard(first: Matrix, second: Matrix) -> float:
    shared = np.sum(first * second, axis=1)
    return float(np.mean(shared / (first.sum(axis=1) + second.sum(axis=1) - shared)))


@agreement("jaccard_knn_cosine", "Jaccard of k-NN, cosine", between=_jaccard)
def _marked_by_cosine(rows: Matrix, neighbours: int) -> Matrix:
    return marked(rows, neighbours, "cosine")


def marked(rows: Matrix, neighbours: int, similarity: Similarity) -> Matrix:
    """Return 1 where the image of a column is among the nearest of a row's, else 0: (n, n)."""
    marks = np.zeros((len(rows), len(rows)))
    np.put_along_axis(marks, nearest(rows, neighbours, similarity), 1.0, axis=1)
    return marks


def nearest(rows: Matrix, count: int, similarity: Similarity) -> NDArray[np.intp]:
    """Return the nearest others of each row by index, (n, count), the nearest first."""
    if not 1 <= count < len(rows) - 1:
        raise ValueError(
            f"expected from 1 to {len(rows) - 2} neighbours of {len(rows)} images, got {count}; with all"
            " others as neighbours any two embeddings agree"
        )
    if similarity == "cosine":
        rows = unit_rows(rows)
    found = []
    height = max(1, _ENTRIES // len(rows))
    for start in range(0, len(rows), height):
        block = rows[start : start + height]
        distances = cdist(block, rows) if similarity == "euclidean" else -(block @ rows.T)
        here = np.arange(len(distances))
        distances[here, start + here] = np.inf
        found.append(np.argsort(distances, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def unit_rows(rows: Matrix) -> Matrix:
    """Return rows of norm 1."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise Undefined(
            f"expected embeddings that are not zero, got norm 0 in row {int(np.argmin(norms))}, which has no"
            " cosine; compare by Euclidean distances, or leave it out"
        )
    unit: Matrix = rows / norms
    return unit


def _shares(rows: Matrix, neighbours: int, similarity: Similarity) -> Matrix:
    """Marks of which the sum over two's products is the mean share in common."""
    return marked(rows, neighbours, similarity) / np.sqrt(len(rows) * neighbours)
