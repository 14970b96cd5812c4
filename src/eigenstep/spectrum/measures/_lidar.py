"""LiDAR: the entropy rank of the linear-discriminant matrix whose classes are images."""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import as_float64
from eigenstep.spectrum.measures._eigenvalues import entropy_rank
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def lidar(
    embeddings: ArrayLike | Tensor, *, delta: float = 1e-4, scale_free: bool = True, eps: float = 1e-7
) -> float:
    """LiDAR of q views of each of n images: exp(-sum_k p_k log p_k), p_k = lambda_k / sum(lambda) + eps.

    lambda are the d eigenvalues of W^-1/2 B W^-1/2, with B the covariance of the images' mean embeddings,
    divided by n - 1, and W the covariance of views about their image's mean, divided by n (q - 1), plus
    delta times the identity. Directions count by how well they tell images apart. 0 for constant
    embeddings, NaN for one image or if a value is not finite. With n (q - 1) < d views tell nothing of
    W in some directions, and delta alone decides there.

    Source: Thilak et al., "LiDAR", ICLR 2024, arXiv:2312.04000.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, q, d), q >= 2.
    delta : float
        The paper's regularisation.
    scale_free : bool
        Delta is in units of the embeddings' variance, averaged over coordinates; otherwise absolute as in the
        paper, which swallows small embeddings.
    eps : float
        Added to each p_k.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> images = np.repeat(rng.normal(size=(4000, 1, 3)), 2, axis=1)
    >>> round(lidar(images + 0.1 * rng.normal(size=(4000, 2, 3))), 1)
    3.0
    """
    z = as_float64(embeddings)
    if z.ndim != 3 or 0 in z.shape or z.shape[1] < 2:
        raise ValueError(
            f"expected embeddings of shape (n, q, d) with at least 2 views, got {tuple(z.shape)}"
        )
    n, q, dim = z.shape
    z = z - z[0, 0]  # a common shift changes nothing, and far from zero its rounding would
    if n * q < dim and torch.isfinite(z).all():  # everything but delta lives in the embeddings' span
        z = torch.linalg.qr(z.flatten(0, 1).T, mode="r").R.T.unflatten(0, (n, q))
    means = z.mean(1)
    deviations = (z - means[:, None]).flatten(0, 1)
    means = means - means.mean(0)
    between = means.T @ means / max(n - 1, 1)
    within = deviations.T @ deviations / (n * (q - 1))
    return _lidar(between, within, n, dim, delta, scale_free, eps)


def lidar_from_moments(
    covariance: ArrayLike,
    cross_correlation: ArrayLike,
    *,
    count: int,
    dim: int | None = None,
    delta: float = 1e-4,
    scale_free: bool = True,
    eps: float = 1e-7,
) -> float:
    """LiDAR of two views from their moments, equal to `lidar` of the embeddings (n, 2, d).

    B = n/(n - 1) (Sigma + C)/2 and W = Sigma - C.

    Parameters
    ----------
    covariance : ArrayLike
        (d, d), Sigma = 1/(2n) sum_i (a_i a_i^T + b_i b_i^T), about the mean of both views.
    cross_correlation : ArrayLike
        (d, d), C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T), about the same mean.
    count : int
        Pairs n behind them.
    dim : int | None
        Dimension of the embeddings, where the moments are those in a smaller basis of their span.

    Notes
    -----
    NaN for moments that no embeddings have (W + delta not positive definite).

    Examples
    --------
    >>> round(lidar_from_moments(np.eye(3), 0.9 * np.eye(3), count=100), 3)
    3.0
    """
    sigma, cross = (as_float64(moment, "moments") for moment in (covariance, cross_correlation))
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or sigma.shape != cross.shape:
        raise ValueError(
            f"expected two moments of shape (d, d), got {tuple(sigma.shape)} and {tuple(cross.shape)}"
        )
    between = (sigma + cross) * (count / max(count - 1, 1) / 2)
    return _lidar(between, sigma - cross, count, dim or len(sigma), delta, scale_free, eps)


def _lidar(
    between: Tensor, within: Tensor, count: int, dim: int, delta: float, scale_free: bool, eps: float
) -> float:
    """LiDAR from its two scatter matrices, in d dimensions or in the span of the embeddings."""
    variance = float((between.trace() + within.trace()) / dim)
    if count < 2 or not (torch.isfinite(between).all() and torch.isfinite(within).all()):
        return math.nan
    if variance <= 0:
        return 0.0
    ridge = delta * variance if scale_free else delta
    factor, failed = torch.linalg.cholesky_ex(within + ridge * torch.eye(len(within), dtype=within.dtype))
    if failed:
        return math.nan
    # L^-1 B L^-T has the eigenvalues of W^-1/2 B W^-1/2 at the price of two triangular solves.
    half = torch.linalg.solve_triangular(factor, between, upper=False)
    discriminant = torch.linalg.solve_triangular(factor, half.T, upper=False)
    eigenvalues = torch.linalg.eigvalsh((discriminant + discriminant.T) / 2).clamp(min=0)
    return entropy_rank(np.pad(eigenvalues.numpy(), (0, dim - len(eigenvalues))), eps=eps)


@recorded("lidar", "entropy rank of what tells images apart")
def _of_moments(known: KnownMoments) -> float:
    if known.views != 2 or known.covariance is None or known.cross_correlation is None:
        return math.nan
    found = lidar_from_moments(
        known.covariance, known.cross_correlation, count=known.count, dim=len(known.eigenvalues)
    )
    return 0.0 if known.count > 1 and known.eigenvalues.max() == 0 else found
