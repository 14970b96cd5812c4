"""RankMe: the entropy rank of the singular values."""

import math

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import (
    checked_eigenvalues,
    entropy_rank,
    second_moment_eigenvalues,
)
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def rank_me(embeddings: ArrayLike | Tensor, *, center: bool = False, eps: float = 1e-7) -> float:
    """RankMe of embeddings (n, d): exp(-sum_k p_k log p_k), p_k = sigma_k / ||sigma||_1 + eps.

    sigma are the min(n, d) singular values of the embeddings, not squared. From 1 to min(n, d); 0 for
    embeddings that are all zero, NaN if one is not finite. Does not depend on their scale.

    Source: Garrido, Balestriero, Najman, LeCun, "RankMe", ICML 2023, arXiv:2210.02885, equation 1.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, d).
    center : bool
        Subtract their mean first; the paper does not.
    eps : float
        Added to each p_k, as in the paper.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> round(rank_me(np.eye(8)), 3)
    8.0
    """
    values = second_moment_eigenvalues(embeddings, center=center)
    return rank_me_from_eigenvalues(values, count=len(values), eps=eps)


def rank_me_from_eigenvalues(eigenvalues: ArrayLike, *, count: int, eps: float = 1e-7) -> float:
    """RankMe from the eigenvalues (d,) of the embeddings' second moment, about zero for the paper's.

    Parameters
    ----------
    eigenvalues : ArrayLike
        (d,).
    count : int
        Rows n of the embeddings behind them; only min(n, d) of the eigenvalues enter.
    eps : float
        Added to each p_k.

    Notes
    -----
    Singular values are their roots, so rounding of the moments counts in each of d directions: sums in
    float32 add about .4 to a rank of exactly 16 in 512 dimensions.

    Examples
    --------
    >>> round(rank_me_from_eigenvalues([4.0, 4.0, 0.0], count=100), 3)
    2.0
    """
    return entropy_rank(np.sqrt(checked_eigenvalues(eigenvalues)[:count]), eps=eps)


@recorded("rank_me", "entropy rank of singular values")
def _of_moments(known: KnownMoments) -> float:
    if known.second_moment_eigenvalues is None:
        return math.nan
    return rank_me_from_eigenvalues(known.second_moment_eigenvalues, count=known.rows)
