"""How many eigenvalues stand above those of white noise, by the Marchenko-Pastur law."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import (
    checked_eigenvalues,
    embedding_rows,
    second_moment_eigenvalues,
)
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def modes_above_noise(
    embeddings: ArrayLike | Tensor, *, center: bool = True, confidence: float = 0.99
) -> float:
    """Number of covariance eigenvalues above the largest that white noise of the bulk's level would have.

    The noise level is the median eigenvalue over the median of the Marchenko-Pastur law (Gavish and Donoho,
    arXiv:1305.5870), the edge that law's, noise (1 + sqrt(d/n))^2, widened to where the largest of a finite
    sample lies below it with the given confidence (Johnstone, Ann. Stat. 2001). Meaningful while fewer than
    half of the directions carry signal: with all of d modes equal the spectrum is that of white noise, and
    the count is 0. NaN if an embedding is not finite or there is only one.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, d), independent rows: of several views of an image, give one.
    center : bool
        Subtract their mean first.
    confidence : float
        That white noise counts no mode.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = 0.05 * rng.normal(size=(1000, 64))
    >>> modes_above_noise(noise), modes_above_noise(noise + rng.normal(size=(1000, 1)))
    (0.0, 1.0)
    """
    z = embedding_rows(embeddings)
    values = second_moment_eigenvalues(z, center=center)
    rows, dim = z.shape
    padded = np.pad(values, (0, dim - len(values)))
    return modes_above_noise_from_eigenvalues(padded, count=rows - center, confidence=confidence)


def modes_above_noise_from_eigenvalues(
    eigenvalues: ArrayLike, *, count: int, confidence: float = 0.99
) -> float:
    """Number of modes above noise from all d eigenvalues of the covariance.

    Parameters
    ----------
    eigenvalues : ArrayLike
        (d,), with the zeros there are where n < d.
    count : int
        Independent rows n behind them; one less if their mean was subtracted.

    Examples
    --------
    >>> modes_above_noise_from_eigenvalues([5.0, 1.1, 1.0, 1.0, 0.9], count=1000)
    1.0
    """
    values = checked_eigenvalues(eigenvalues)
    if count < 1 or math.isnan(values[0]):
        return math.nan
    return float((values > noise_edge(values, count=count, confidence=confidence)).sum())


def noise_edge(eigenvalues: np.ndarray, *, count: int, confidence: float) -> float:
    """The eigenvalue that white noise of the bulk's level stays below with the given confidence.

    Examples
    --------
    >>> round(noise_edge(np.ones(64), count=1024, confidence=0.99), 2)
    1.64
    """
    dim = len(eigenvalues)
    few, many = sorted((count, dim))
    level = np.median(eigenvalues[:few]) / (_marchenko_pastur_median(few / many) * many / count)
    root, other = math.sqrt(max(count - 1, 1)), math.sqrt(dim)
    spread = (root + other) * (1 / root + 1 / other) ** (1 / 3)
    return float(level * ((root + other) ** 2 + spread * _tracy_widom_quantile(confidence)) / count)


@lru_cache(maxsize=256)
def _marchenko_pastur_median(ratio: float) -> float:
    """Median of the law with aspect ratio at most 1 and unit variance.

    With x = 1 + r - 2 sqrt(r) cos(theta) its density is smooth, and sums at midpoints find the median.
    """
    theta = (np.arange(4000) + 0.5) * (np.pi / 4000)
    x = 1 + ratio - 2 * math.sqrt(ratio) * np.cos(theta)
    mass = np.cumsum(np.sin(theta) ** 2 / x)
    edges = theta + np.pi / 8000
    median = np.interp(0.5, mass / mass[-1], edges)
    return float(1 + ratio - 2 * math.sqrt(ratio) * np.cos(median))


def _tracy_widom_quantile(probability: float) -> float:
    """Of the law of the largest eigenvalue of real noise, by Chiani's shifted gamma (arXiv:1209.3394)."""
    return 0.186054 * float(gammaincinv(46.446, probability)) - 9.84801


@recorded("modes_above_noise", "λ above what equal noise would reach")
def _of_moments(known: KnownMoments) -> float:
    # The two views of an image are not independent.
    return modes_above_noise_from_eigenvalues(known.eigenvalues, count=known.count - 1)
