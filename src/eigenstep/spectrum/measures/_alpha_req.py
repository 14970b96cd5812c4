"""alpha-ReQ: how fast the covariance's eigenvalues decay."""

import math

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import checked_eigenvalues, second_moment_eigenvalues
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def alpha_req(
    embeddings: ArrayLike | Tensor, *, center: bool = True, first: int = 11, last: int = 100
) -> float:
    """Decay alpha of the covariance's eigenvalues, lambda_j ~ j^-alpha, fitted over ranks `first` to `last`.

    Least squares of log lambda_j on log j, weighted by 1/j so that each octave counts alike. 0 is a flat
    spectrum; about 1 went with the best features in the paper. NaN with fewer than two positive eigenvalues
    in the range, or if an embedding is not finite.

    Source: Agrawal, Mondal, Ghosh, Richards, "alpha-ReQ", NeurIPS 2022 (first as arXiv:2202.05808); range and
    weights as in reptrix, its authors' package.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, d).
    center : bool
        Subtract their mean first.
    first, last : int
        Ranks fitted, counted from 1, both included; cut to the positive eigenvalues there are.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(4000, 100)) / np.arange(1, 101)
    >>> round(alpha_req(rows))
    2
    """
    values = second_moment_eigenvalues(embeddings, center=center)
    return alpha_req_from_eigenvalues(values, first=first, last=last)


def alpha_req_from_eigenvalues(eigenvalues: ArrayLike, *, first: int = 11, last: int = 100) -> float:
    """alpha-ReQ from the covariance's eigenvalues (d,).

    Examples
    --------
    >>> round(alpha_req_from_eigenvalues(np.arange(1, 129) ** -1.5), 6)
    1.5
    """
    values = checked_eigenvalues(eigenvalues)[first - 1 : last]
    values = values[values > 0]
    if len(values) < 2:
        return math.nan
    ranks = np.arange(first, first + len(values), dtype=np.float64)
    x = np.log(ranks)
    x = x - np.average(x, weights=1 / ranks)
    return float(-(x / ranks @ np.log(values)) / (x / ranks @ x))


@recorded("alpha_req", "λ falls as rank to the minus this")
def _of_moments(known: KnownMoments) -> float:
    return alpha_req_from_eigenvalues(known.eigenvalues)
