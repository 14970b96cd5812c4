"""Effective rank: the entropy rank of the covariance's eigenvalues."""

from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import (
    checked_eigenvalues,
    entropy_rank,
    second_moment_eigenvalues,
)
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def effective_rank(embeddings: ArrayLike | Tensor, *, center: bool = True) -> float:
    """Effective rank of the covariance: exp(-sum_k p_k log p_k), p_k = lambda_k / sum(lambda).

    lambda are the covariance's eigenvalues, the squares of RankMe's singular values: weak directions count
    far less than in RankMe. From 1 to min(n, d); 0 for constant embeddings, NaN if one is not finite.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007, of the covariance matrix.

    Parameters
    ----------
    embeddings : ArrayLike | Tensor
        (n, d).
    center : bool
        Subtract their mean first.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> round(effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 3)
    2.0
    """
    return effective_rank_from_eigenvalues(second_moment_eigenvalues(embeddings, center=center))


def effective_rank_from_eigenvalues(eigenvalues: ArrayLike) -> float:
    """Effective rank from the covariance's eigenvalues (d,).

    Examples
    --------
    >>> round(effective_rank_from_eigenvalues([3.0, 3.0, 3.0, 0.0]), 3)
    3.0
    """
    return entropy_rank(checked_eigenvalues(eigenvalues), eps=0.0)


@recorded("effective_rank", "entropy rank of the covariance")
def _of_moments(known: KnownMoments) -> float:
    return effective_rank_from_eigenvalues(known.eigenvalues)
