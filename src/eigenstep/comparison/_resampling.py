"""What a measure of agreement would be on other images, and where there is nothing to agree on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.spectrum.agreement import Matrix, checked_pair


def bootstrap_intervals(
    statistics: Callable[[NDArray[np.float64] | None], NDArray[np.float64]],
    images: int,
    *,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return an interval for each of several statistics of weighted images, (m, 2).

    The Bayesian bootstrap (Rubin 1981): images get random weights, uniform among those of sum 1. Images that
    are drawn twice, as in the usual bootstrap, would be neighbours of themselves and lower ranks. Measures
    of agreement rise when fewer images count, and weighted ones count as about half, so the mean over
    resamples is taken off: interval = value + quantiles - mean.

    Parameters
    ----------
    statistics : Callable[[NDArray[np.float64] | None], NDArray[np.float64]]
        Called with weights (n,) of sum 1, and once with None for equal ones; returns (m,).
    images : int
        n.
    level : float
        The share of such intervals that should hold the truth.

    Raises
    ------
    ValueError
        Fewer than 2 resamples, or a level outside (0, 1).

    Examples
    --------
    >>> heights = np.random.default_rng(0).normal(size=400)
    >>> mean = lambda weights: np.array([np.average(heights, weights=weights)])
    >>> low, high = bootstrap_intervals(mean, 400)[0]
    >>> round(float((high - low) / (2 * 1.96 * heights.std() / 400**0.5)), 1)
    1.0
    """
    if resamples < 2 or not 0 < level < 1:
        raise ValueError(f"expected at least 2 resamples and a level in (0, 1), got {resamples}, {level}")
    generator = np.random.default_rng(seed)
    value = statistics(None)
    drawn = np.array([statistics(generator.dirichlet(np.ones(images))) for _ in range(resamples)])
    tails = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    intervals: NDArray[np.float64] = (value + tails - drawn.mean(axis=0)).T
    return intervals


def permutation_chance(
    measure: Callable[[Matrix, Matrix], float],
    first: ArrayLike,
    second: ArrayLike,
    *,
    permutations: int = 20,
    seed: int = 0,
) -> float:
    """Return the mean of a measure over random orders of the second embedding's rows.

    Each embedding keeps its own spectrum, and what relates their rows is gone.

    Examples
    --------
    >>> from eigenstep.comparison import space_overlap
    >>> z = np.random.default_rng(0).normal(size=(101, 10))
    >>> round(permutation_chance(space_overlap, z, z), 2)
    0.1
    """
    a, b = checked_pair(first, second)
    generator = np.random.default_rng(seed)
    return float(np.mean([measure(a, b[generator.permutation(len(b))]) for _ in range(permutations)]))
