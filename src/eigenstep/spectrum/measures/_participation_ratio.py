"""Participation ratio of the covariance's eigenvalues."""

from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import checked_eigenvalues, second_moment_eigenvalues
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def participation_ratio(embeddings: ArrayLike | Tensor, *, center: bool = True) -> float:
    """Participation ratio (sum lambda)^2 / sum lambda^2 of the covariance's eigenvalues.

    From 1 to min(n, d); 0 for constant embeddings, NaN if one is not finite.

    Source: Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy, Ganguli, "A theory of multineuronal dimensionality,
    dynamics and measurement", bioRxiv 214262, 2017.

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
    >>> round(participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 3)
    2.0
    """
    return participation_ratio_from_eigenvalues(second_moment_eigenvalues(embeddings, center=center))


def participation_ratio_from_eigenvalues(eigenvalues: ArrayLike) -> float:
    """Participation ratio from the covariance's eigenvalues (d,).

    Examples
    --------
    >>> round(participation_ratio_from_eigenvalues([2.0, 1.0, 1.0]), 3)
    2.667
    """
    values = checked_eigenvalues(eigenvalues)
    if values[0] == 0:
        return 0.0
    shares = values / values[0]
    return float(shares.sum() ** 2 / (shares**2).sum())


@recorded("participation_ratio", "(sum λ)² / sum λ² of the covariance")
def _of_moments(known: KnownMoments) -> float:
    return participation_ratio_from_eigenvalues(known.eigenvalues)
