"""How far the functions that two embeddings span agree, whatever their scale and rotation."""

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from eigenstep.comparison._rows import Matrix, checked_pair, weighted


def space_overlap(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | None = None,
    *,
    center: bool = True,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Return the overlap ||Q_a^T Q_b||_F^2 / min(k_a, k_b) of the spaces of two embeddings: in [0, 1].

    Each column of an embedding is a function on the images; Q is an orthonormal basis of what the columns
    span, or of the first `modes` principal directions of it. It is the mean squared cosine of the principal
    angles, and 1 where one space holds the other. Where all of an embedding's eigenvalues are equal, as a
    loss with C = I leaves them, its principal directions are arbitrary: then only whole spaces compare.

    Parameters
    ----------
    first, second : (n, d_a) and (n, d_b) embeddings of the same images, row by row
    modes : how many principal directions of each; default: its whole space
    center : subtract the mean embedding first
    weights : (n,) of the images, with sum 1; equal by default

    Raises
    ------
    ValueError : shapes that do not match, NaN, more modes than an embedding has, or no more images than
        modes, where spaces agree whatever they are

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(100, 3))
    >>> round(space_overlap(z, z @ rng.normal(size=(3, 3))), 12)
    1.0
    >>> round(space_overlap(z, rng.normal(size=(100, 3))), 2), round(overlap_by_chance(100, 3, 3), 2)
    (0.01, 0.03)
    """
    left, right = bases(first, second, modes, center, weights)
    return float(np.sum((left.T @ right) ** 2) / min(left.shape[1], right.shape[1]))


def overlap_by_chance(images: int, first: int, second: int, *, center: bool = True) -> float:
    """Return the mean overlap of spaces of these dimensions that have nothing to do with each other.

    max(k_a, k_b) / (n - 1); over n where no mean is subtracted.

    >>> overlap_by_chance(101, 10, 10)
    0.1
    """
    return max(first, second) / (images - 1 if center else images)


def principal_angles(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | None = None,
    *,
    center: bool = True,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the principal angles of two embeddings' spaces, (min(k_a, k_b),), ascending, in radians.

    Parameters, errors and what the spaces are: as of `space_overlap`.

    >>> wave = np.exp(2j * np.pi * np.arange(8) / 8)
    >>> cosine, both = wave.real[:, None], (wave.real + wave.imag)[:, None]
    >>> np.rad2deg(principal_angles(cosine, both)).round(6)
    array([45.])
    """
    left, right = bases(first, second, modes, center, weights)
    return scipy.linalg.subspace_angles(left, right)[::-1]


def bases(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | None,
    center: bool,
    weights: NDArray[np.float64] | None,
) -> tuple[Matrix, Matrix]:
    """Return orthonormal bases (n, k_a) and (n, k_b) of the spaces that are compared."""
    pair = checked_pair(first, second)
    precisions = [_precision(rows) for rows in (first, second)]
    left, right = (
        _basis(weighted(rows, weights, center), modes, precision)
        for rows, precision in zip(pair, precisions, strict=True)
    )
    widest = max(left.shape[1], right.shape[1])
    if len(left) <= widest + center:
        raise ValueError(
            f"expected more images than modes, got {len(left)} images for {widest} modes, which agree"
            " whatever they are; use more images, or compare fewer modes"
        )
    return left, right


def _basis(rows: Matrix, modes: int | None, precision: float) -> Matrix:
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.count_nonzero(singular > max(rows.shape) * precision * singular[0]))
    if modes is not None and not 1 <= modes <= rank:
        raise ValueError(f"expected modes from 1 to {rank}, the embeddings' rank, got {modes}")
    return left[:, : rank if modes is None else modes]


def _precision(rows: ArrayLike) -> float:
    """The relative size of rounding in what was given: directions below it are not the embedding's."""
    kind = np.asarray(rows).dtype
    return float(np.finfo(kind).eps) if kind.kind == "f" else float(np.finfo(np.float64).eps)
