"""How far modes from landmarks are from true modes, estimated from a sample of the views."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from eigenstep.kernel.pairs import PairGraph, PairOperator, runs
from eigenstep.kernel.solvers._landmark_modes import NystromAccumulator, NystromModes, Views, mode_values
from eigenstep.kernel.solvers._landmarks import to_float64


def estimated_residuals(
    accumulator: NystromAccumulator,
    modes: NystromModes,
    views: Views,
    pairs: PairGraph | PairOperator,
    *,
    n_views: int | None = None,
    block_rows: int = 1024,
    samples: PairGraph | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each mode's residual, and its invariance ratio, from a sample of whole samples.

    A mode f of unit norm has the true image T f = sum_x w_x k(x, .), w = A f, whose projection on the
    landmarks' span is gamma f. What is left is

        ||T f - gamma f||^2 = w^T (K~ - Phi Phi^T) w

    In the mean over random samples the sum over views of different samples is right once rescaled, and so is
    the one over views of the same sample, by another factor. Since K~ - Phi Phi^T is small where landmarks
    explain much, so is the estimate's spread; at less than its within-sample part it is set to that part,
    which is a lower bound for independent samples. The true eigenvalue nearest gamma is within the residual.

    Parameters
    ----------
    accumulator, modes
        As solved for.
    views : Views
        The sample's views (a few thousand at most: their kernel matrix is made, in strips).
    pairs : PairGraph | PairOperator
        The sample's own pair graph, or effective operator where an objective or centring made one.
    n_views : int | None
        How many views the modes were solved for; by default the sample is all of them, and exact.
    block_rows : int
        Rows of a strip.
    samples : PairGraph | None
        Whose connected views are of one sample; by default that of `pairs`.

    Returns
    -------
    residuals
        (k,) relative to gamma; infinite where gamma is zero
    invariance_ratio
        (k,) f^T A f / mean f^2 over the sample, at most 1 for pairs: how much of a mode's
        variance positive views share

    Examples
    --------
    >>> from eigenstep.kernel.functions import make_kernel
    >>> from eigenstep.kernel.pairs import paired
    >>> from eigenstep.kernel.solvers import ViewRows
    >>> first, second = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> views = ViewRows([first, second], torch.device("cpu"), torch.float64)
    >>> landmarks = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    >>> accumulator = NystromAccumulator(make_kernel("linear", landmarks), landmarks, torch.eye(1).double())
    >>> modes = accumulator.add(views, paired(2)).solve(1)
    >>> estimated_residuals(accumulator, modes, views, paired(2))
    (array([0.125]), array([0.888...]))
    """
    every = np.arange(views.n_views)
    features = accumulator.features
    values = mode_values(features.kernel, features.landmarks, modes, views)
    images = pairs.product(values)
    graph = samples or (pairs.graph if isinstance(pairs, PairOperator) else pairs)
    n_samples, labels = connected_components(graph.matrix(), directed=False)
    of_view = torch.from_numpy(labels).to(values.device)
    prepared = features.kernel.prepare(views.take(every))
    explained = features.whole(prepared)
    whole, within = (to_float64(images).new_zeros(images.shape[1]) for _ in range(2))
    for strip in runs(len(every), block_rows):
        left = features.kernel.block(prepared[strip], prepared).sub_(explained[strip] @ explained.T)
        whole += _quadratic(images[strip], left, images)
        left.masked_fill_(of_view[strip, None] != of_view, 0.0)
        within += _quadratic(images[strip], left, images)
    share = len(every) / (n_views or len(every))
    within_part = share * within
    between_part = sampled_pairs_factor(n_samples, share) * (whole - within)
    squares = torch.maximum(within_part + between_part, within_part) if share < 1 else whole
    # A kernel with slightly negative eigenvalues may leave something negative: its size counts all the same.
    squares = torch.where(whole < 0, whole, squares)
    size = np.abs(modes.eigenvalues)
    residuals = np.divide(
        squares.abs().sqrt().cpu().numpy(), size, out=np.full(len(size), np.inf), where=size > 0
    )
    shared = to_float64(values).mul(to_float64(images)).sum(dim=0).cpu().numpy()
    spread = to_float64(values).square().mean(dim=0).cpu().numpy()
    return residuals, np.divide(shared, spread, out=np.zeros(len(size)), where=spread > 0)


def sampled_pairs_factor(n_samples: int, share: float) -> float:
    """The factor of a sum over views of different samples: n (n - 1) pairs of all, s (s - 1) of the sample.

    The sample's operator is a mean over s, that of all over n = s / share.

    Examples
    --------
    >>> sampled_pairs_factor(100, 0.5)
    1.005050505050505
    """
    if n_samples == 1:
        return 0.0
    everything = n_samples / share
    return (everything - 1) / everything * n_samples / (n_samples - 1)


def _quadratic(left: Tensor, middle: Tensor, right: Tensor) -> Tensor:
    """Return sum_xy left_xj middle_xy right_yj, (k,)."""
    return (to_float64(left) * to_float64(middle @ right)).sum(dim=0)
