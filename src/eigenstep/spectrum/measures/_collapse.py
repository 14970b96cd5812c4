"""How far embeddings have drawn together: their norm, the spread of their directions, their cosines."""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import embedding_rows, float64_array
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def mean_norm(embeddings: ArrayLike | Tensor) -> float:
    """Mean Euclidean norm of embeddings (n, d), not centred.

    Examples
    --------
    >>> mean_norm([[3.0, 4.0], [0.0, 1.0]])
    3.0
    """
    return float(torch.linalg.vector_norm(embedding_rows(embeddings), dim=1).mean())


def normalized_std(embeddings: ArrayLike | Tensor, *, scaled: bool = True) -> float:
    """Standard deviation of each coordinate of z / ||z||, divided by n - 1, averaged over coordinates.

    Source: Chen and He, "SimSiam", CVPR 2021, arXiv:2011.10566, figure 2. There it is 1/sqrt(d) for
    embeddings spread evenly over the sphere and 0 for collapsed ones.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, d); a zero embedding stays zero.
    scaled : bool
        Multiply by sqrt(d), so that evenly spread reads 1 at any dimension; without it as in the paper.

    Notes
    -----
    NaN for fewer than two embeddings, or if one is not finite.

    Examples
    --------
    >>> normalized_std([[1.0, 2.0], [2.0, 4.0]])
    0.0
    """
    z = _directions(embeddings)
    if len(z) < 2:
        return math.nan
    return float(z.std(0).mean()) * (math.sqrt(z.shape[1]) if scaled else 1.0)


def normalized_std_from_moments(
    unit_mean: ArrayLike, unit_mean_square: ArrayLike, *, count: int, scaled: bool = True
) -> float:
    """The same from the mean (d,) and the mean square (d,) of n normalised embeddings.

    Examples
    --------
    >>> round(normalized_std_from_moments([0.0, 0.0], [0.5, 0.5], count=1000, scaled=False), 3)
    0.707
    """
    mean, square = _moments(unit_mean, unit_mean_square, count)
    variance = (square - mean**2).clip(0) * (count / max(count - 1, 1))
    return float(np.sqrt(variance).mean()) * (math.sqrt(len(mean)) if scaled else 1.0)


def cosine_concentration(embeddings: ArrayLike | Tensor) -> float:
    """Mean cosine between two different embeddings of (n, d), not centred.

    1 for one common direction, about 0 for evenly spread ones, at least -1/(n - 1). It is
    (n R^2 - 1)/(n - 1) with R = ||mean of z / ||z|| ||, the resultant length of directional statistics
    (Mardia and Jupp, "Directional Statistics", 2000). NaN for fewer than two, or if one is not finite.

    Examples
    --------
    >>> cosine_concentration([[1.0, 0.0], [0.0, 2.0]])
    0.0
    """
    z = _directions(embeddings)
    return cosine_concentration_from_moments(z.mean(0), z.square().mean(0), count=len(z))


def cosine_concentration_from_moments(
    unit_mean: ArrayLike, unit_mean_square: ArrayLike, *, count: int
) -> float:
    """The same from the mean (d,) and the mean square (d,) of n normalised embeddings.

    Examples
    --------
    >>> cosine_concentration_from_moments([1.0, 0.0], [1.0, 0.0], count=10)
    1.0
    """
    mean, square = _moments(unit_mean, unit_mean_square, count)
    return float((count * (mean**2).sum() - square.sum()) / max(count - 1, 1))


def _moments(mean: ArrayLike, square: ArrayLike, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The moments (d,) in float64, NaN throughout if one is not finite or there is no spread to speak of."""
    both = np.stack([float64_array(each, "moments") for each in (mean, square)])
    first, second = both if count > 1 and np.isfinite(both).all() else np.full_like(both, np.nan)
    return first, second


def _directions(embeddings: ArrayLike | Tensor) -> Tensor:
    z = embedding_rows(embeddings)
    norms = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / torch.where(norms == 0, 1.0, norms)


@recorded("mean_norm", "mean length")
def _mean_norm_of_moments(known: KnownMoments) -> float:
    return float(known.mean_norm)


@recorded("normalized_std", "spread of directions: 0 none, 1 even")
def _normalized_std_of_moments(known: KnownMoments) -> float:
    if known.unit_mean is None or known.unit_mean_square is None:
        return math.nan
    return normalized_std_from_moments(known.unit_mean, known.unit_mean_square, count=known.rows)


@recorded("cosine_concentration", "mean cosine of two embeddings")
def _cosine_concentration_of_moments(known: KnownMoments) -> float:
    if known.unit_mean is None or known.unit_mean_square is None:
        return math.nan
    return cosine_concentration_from_moments(known.unit_mean, known.unit_mean_square, count=known.rows)
