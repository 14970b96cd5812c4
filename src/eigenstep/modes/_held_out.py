"""How much of one thing is read off another: a line fitted to one half of the images, judged on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.probes import fit_ridge, standardise

Array = NDArray[np.float64]

# Ridges to choose from by leave-one-out error, in units of the largest eigenvalue of x^T x.
STRENGTHS = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


@dataclass(frozen=True, eq=False)
class Halves:
    """Which of n images a map is fitted on, and which it is scored on."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]


def halves(count: int, seed: int = 0) -> Halves:
    """Two random halves of `count` images, both ascending.

    Examples
    --------
    >>> both = halves(6)
    >>> sorted([*both.first.tolist(), *both.second.tolist()])
    [0, 1, 2, 3, 4, 5]
    """
    order = np.random.default_rng([seed, 1]).permutation(count)
    return Halves(np.sort(order[: count // 2]), np.sort(order[count // 2 :]))


def held_out_r2(
    given: Array, wanted: Array, split: Halves, *, joint: bool = False, once: bool = False
) -> Array:
    """Share of the variance of each column that a ridge regression on others tells of images it has not seen.

    R^2 = 1 - |y - f(x)|^2 / |y - mean y|^2 over both halves, each predicted from the other.

    Parameters
    ----------
    given : Array
        (n, p) what is known.
    wanted : Array
        (n, t) what is to be told.
    joint : bool
        One R^2 for all columns together, with one ridge: for orthonormal columns it is that of their span,
        whatever basis they are. Default: one for each, (t,).
    once : bool
        Fit on the first half and score on the second alone.

    Returns
    -------
    Array
        (t,), or (1,) of the whole; 0 for a column that does not vary, negative where the mean tells more.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> held_out_r2(x, x[:, :1] + x[:, 1:], halves(200)).round(3)
    array([1.])
    """
    left, total = np.zeros(wanted.shape[1]), np.zeros(wanted.shape[1])
    ways = [(split.first, split.second), (split.second, split.first)]
    for fit, test in ways[:1] if once else ways:
        told = _predict(given[fit], wanted[fit], given[test], joint)
        left += np.square(wanted[test] - told).sum(axis=0)
        total += np.square(wanted[test] - wanted[test].mean(axis=0)).sum(axis=0)
    if joint:
        left, total = left.sum(keepdims=True), total.sum(keepdims=True)
    return np.where(total > 0, 1 - left / np.where(total > 0, total, 1), 0.0)


def _predict(given: Array, wanted: Array, new: Array, joint: bool) -> Array:
    """Values (m, t) at new rows of the ridge regression of (n, t) on (n, p), by the best strength."""
    rows, new_rows = standardise(torch.from_numpy(given), torch.from_numpy(new))
    fit = fit_ridge(rows, torch.from_numpy(wanted).double(), STRENGTHS, each=not joint, relative=True)
    result: Array = (new_rows @ fit.weights + fit.bias).numpy()
    return result
