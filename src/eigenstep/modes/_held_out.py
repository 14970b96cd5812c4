"""How much of one thing is read off another: a line fitted to one half of the images, judged on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Ridges to choose from by leave-one-out error, in units of the largest squared singular value.
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
    mean, spread = given.mean(axis=0), given.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    centre = wanted.mean(axis=0)
    u, s, vt = np.linalg.svd((given - mean) / spread, full_matrices=False)
    kept = s > 1e-10 * max(s.max(initial=0), np.finfo(float).tiny)
    u, s, vt = u[:, kept], s[kept], vt[kept]
    if not len(s):
        return np.tile(centre, (len(new), 1))
    scores = u.T @ (wanted - centre)
    # What no map of these columns reaches. Where they reach everything it is zero, not rounding: a ratio of
    # two roundings would make the weakest ridge look best.
    beyond, free = wanted - centre - u @ scores, 1 - 1 / len(given) - np.square(u).sum(axis=1)
    if len(s) >= len(given) - 1:
        beyond, free = np.zeros_like(beyond), np.zeros_like(free)
    filters, errors = [], []
    for strength in STRENGTHS:
        left = strength * s[0] ** 2 / (s**2 + strength * s[0] ** 2)
        room = np.maximum(free, 0) + np.square(u) @ left
        residual = (beyond + u @ (left[:, None] * scores)) / np.maximum(room, 1e-12)[:, None]
        filters.append((1 - left) / s)
        errors.append(np.square(residual).sum(axis=0))
    table = np.stack(errors)  # (strengths, t)
    best = np.full(wanted.shape[1], table.sum(axis=1).argmin()) if joint else table.argmin(axis=0)
    weights = vt.T @ (np.stack(filters, axis=1)[:, best] * scores)
    result: Array = ((new - mean) / spread) @ weights + centre
    return result
