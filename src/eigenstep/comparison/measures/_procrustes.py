"""What is left between two embeddings after the best rotation of one, as a distance and as an angle."""

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.comparison.measures._measure import agreement
from eigenstep.spectrum.agreement import Matrix, procrustes_similarity, weighted


def procrustes_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return min_R ||A R - B||_F over rotations R, of embeddings centred and of Frobenius norm 1.

    sqrt(2 - 2 s), with s of `eigenstep.comparison.procrustes_similarity`, from 0 to sqrt(2).
    Ding et al. 2021, arXiv:2108.01661, whose distance is its square. Parameters and errors are those of
    `linear_cka`.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> round(procrustes_distance(line, line**2), 3)
    0.251
    """
    return float(np.sqrt(max(2 - 2 * procrustes_similarity(first, second), 0.0)))


def procrustes_angle(first: ArrayLike, second: ArrayLike) -> float:
    """Return the angle arccos(s) in radians between two embeddings after the best rotation of one of them.

    With s of `eigenstep.comparison.procrustes_similarity`, from 0 to pi / 2: a metric on embeddings up to
    shift, rotation and scale (Williams et al. 2021, arXiv:2110.14739). Parameters and errors are those of
    `linear_cka`.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [2.0], [5.0]])
    >>> round(procrustes_angle(line, line**2), 3)
    0.252
    """
    return float(np.arccos(np.clip(procrustes_similarity(first, second), 0, 1)))


def _cosine(first: Matrix, second: Matrix) -> float:
    return float(np.linalg.svd(first.T @ second, compute_uv=False).sum())


def _angle(first: Matrix, second: Matrix) -> float:
    return float(np.arccos(np.clip(_cosine(first, second), 0, 1)))


@agreement("procrustes", "Procrustes", between=_cosine, pairwise=False, crowded=True)
def _of_norm_one(rows: Matrix, neighbours: int) -> Matrix:
    """The rows of norm 1 altogether; of more columns than rows a rotation without the empty ones."""
    centered = weighted(rows, None)
    if centered.shape[1] > len(centered):
        left, singular, _ = np.linalg.svd(centered, full_matrices=False)
        centered = left * singular
    unit: Matrix = centered / np.linalg.norm(centered)
    return unit


agreement(
    "procrustes_angle",
    "Procrustes, angle",
    between=_angle,
    pairwise=False,
    crowded=True,
    larger_is_closer=False,
)(_of_norm_one)
