"""How far two embeddings are one and the same up to a rotation: linear CKA and orthogonal Procrustes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.spectrum.agreement._pairs import checked_pair, weighted


def linear_cka(first: ArrayLike, second: ArrayLike, weights: NDArray[np.float64] | None = None) -> float:
    """Return the linear centred kernel alignment ||A^T B||_F^2 / (||A^T A||_F ||B^T B||_F), in [0, 1].

    A and B are the embeddings less their means. 1 where they differ by a rotation and a scale alone; large
    directions count most, so that two embeddings agree if their first modes do. Kornblith et al. 2019,
    arXiv:1905.00414.

    Parameters
    ----------
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    weights : NDArray[np.float64] | None
        (n,) of the images, with sum 1; equal by default.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, or embeddings that are the same for all images.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> round(linear_cka(line, -3 * line + 1), 12)
    1.0
    """
    a, b = (weighted(rows, weights) for rows in checked_pair(first, second))
    return _squared_product(a, b) / (_spread(a) * _spread(b))


def cka_by_chance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the mean of `linear_cka` over all orders of the second embedding's rows.

        tr(A A^T) tr(B B^T) / ((n - 1) ||A A^T||_F ||B B^T||_F)

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> round(cka_by_chance(line, line), 12)  # one direction in the three that four centred images have
    0.333333333333
    """
    a, b = (weighted(rows, None) for rows in checked_pair(first, second))
    return float(np.sum(a**2) * np.sum(b**2) / ((len(a) - 1) * _spread(a) * _spread(b)))


def procrustes_similarity(
    first: ArrayLike, second: ArrayLike, weights: NDArray[np.float64] | None = None
) -> float:
    """Return the cosine of two embeddings after the best rotation of one of them: in [0, 1].

        max_R tr(A R B^T) / (||A||_F ||B||_F)  =  ||A^T B||_* / (||A||_F ||B||_F)

    A and B are the embeddings less their means. With s this value, 1 - s^2 is the disparity of
    `scipy.spatial.procrustes`. Parameters and errors are those of `linear_cka`.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> round(procrustes_similarity(line, -3 * line + 1), 12)
    1.0
    """
    a, b = (weighted(rows, weights) for rows in checked_pair(first, second))
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    return float(nuclear / (np.linalg.norm(a) * np.linalg.norm(b)))


def _squared_product(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """||A^T B||_F^2, by whichever of d_a × d_b and n × n matrices is smaller."""
    if a.shape[1] * b.shape[1] <= len(a) ** 2:
        return float(np.sum((a.T @ b) ** 2))
    return float(np.sum((a @ a.T) * (b @ b.T)))


def _spread(rows: NDArray[np.float64]) -> float:
    """||A^T A||_F."""
    return float(np.linalg.norm(rows.T @ rows if rows.shape[1] <= len(rows) else rows @ rows.T))
