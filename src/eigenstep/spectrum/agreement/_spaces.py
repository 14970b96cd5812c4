"""How far the functions that two embeddings span agree, whatever their scale and rotation."""

import numpy as np
import scipy.linalg
import torch
from numpy.typing import ArrayLike, NDArray

from eigenstep.embeddings import as_tensor
from eigenstep.spectrum.agreement._pairs import Matrix, checked_pair, weighted


def space_overlap(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | tuple[int, int] | None = None,
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
    first, second : ArrayLike
        (n, d_a) and (n, d_b) embeddings of the same images, row by row.
    modes : int | tuple[int, int] | None
        How many principal directions of each, or of the first and of the second; default: its whole space.
    center : bool
        Subtract the mean embedding first.
    weights : NDArray[np.float64] | None
        (n,) of the images, with sum 1; equal by default.

    Raises
    ------
    ValueError
        Shapes that do not match, NaN, more modes than an embedding has, or no more images than modes, where
        spaces agree whatever they are.

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

    Examples
    --------
    >>> overlap_by_chance(101, 10, 10)
    0.1
    """
    return max(first, second) / (images - 1 if center else images)


def principal_angles(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | tuple[int, int] | None = None,
    *,
    center: bool = True,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the principal angles of two embeddings' spaces, (min(k_a, k_b),), ascending, in radians.

    Parameters, errors and what the spaces are: as of `space_overlap`.

    Examples
    --------
    >>> wave = np.exp(2j * np.pi * np.arange(8) / 8)
    >>> cosine, both = wave.real[:, None], (wave.real + wave.imag)[:, None]
    >>> np.rad2deg(principal_angles(cosine, both)).round(6)
    array([45.])
    """
    left, right = bases(first, second, modes, center, weights)
    angles: NDArray[np.float64] = scipy.linalg.subspace_angles(left, right)[::-1]
    return angles


class TooFewImages(ValueError):
    """Spaces of as many dimensions as there are images agree whatever they are; other measures may tell."""


def bases(
    first: ArrayLike,
    second: ArrayLike,
    modes: int | tuple[int, int] | None,
    center: bool,
    weights: NDArray[np.float64] | None,
) -> tuple[Matrix, Matrix]:
    """Return orthonormal bases (n, k_a) and (n, k_b) of the spaces that are compared.

    Examples
    --------
    >>> first, second = bases(np.eye(5, 2), np.eye(5, 3), None, True, None)
    >>> first.shape, second.shape
    ((5, 2), (5, 3))
    """
    counts = modes if isinstance(modes, tuple) else (modes, modes)
    left, right = (
        _basis(rows, count, center, weights, _precision(given))
        for rows, given, count in zip(checked_pair(first, second), (first, second), counts, strict=True)
    )
    widest = max(left.shape[1], right.shape[1])
    if len(left) <= widest + center:
        raise TooFewImages(
            f"expected more images than modes, got {len(left)} images for {widest} modes, which agree"
            " whatever they are; use more images, or compare fewer modes"
        )
    return left, right


def _basis(
    rows: Matrix, modes: int | None, center: bool, weights: NDArray[np.float64] | None, precision: float
) -> Matrix:
    left, singular, _ = np.linalg.svd(weighted(rows, weights, center), full_matrices=False)
    # Entries that are off by a share of themselves are a matrix E with ||E|| <= ||E||_F <= share ||Z||_F, and
    # no singular value moves by more (Weyl), however many the images; Z before its mean is taken off, for
    # that is what was rounded. The float64 work here adds the usual bound on the rounding of its sums.
    share = precision + max(rows.shape) * float(np.finfo(np.float64).eps)
    rounding = share * float(np.linalg.norm(weighted(rows, weights, center=False)))
    rank = int(np.count_nonzero(singular > rounding))
    if not rank:
        raise ValueError(
            "expected embeddings that differ between images by more than their rounding, got differences of"
            f" {singular[0]:.2g} where rounding makes up to {rounding:.2g}; embed in a finer dtype"
        )
    if modes is not None and not 1 <= modes <= rank:
        raise ValueError(f"expected modes from 1 to {rank}, the embeddings' rank, got {modes}")
    return left[:, : rank if modes is None else modes]


def _precision(given: ArrayLike) -> float:
    """How far a value may be off, relative to its size: directions below that are not the embedding's."""
    values = as_tensor(given)
    if not values.is_floating_point():
        return 0.0
    spacing = torch.finfo(values.dtype).eps
    # Products of half precision are summed in float32 and rounded once; those of float32 and float64 bring
    # the rounding of their sums, of the order of the root of the number of terms: some ten for thousands.
    return spacing if spacing > np.finfo(np.float32).eps else 16 * spacing
