"""Stable rank of the embeddings."""

from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.spectrum.measures._eigenvalues import checked_eigenvalues, second_moment_eigenvalues
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def stable_rank(embeddings: ArrayLike | Tensor, *, center: bool = True) -> float:
    """Stable rank ||Z||_F^2 / ||Z||_2^2 = sum(lambda) / lambda_1 of the embeddings.

    From 1 to min(n, d); 0 for constant embeddings, NaN if one is not finite.

    Source: Rudelson and Vershynin, "Sampling from large matrices", J. ACM 2007, there "numerical rank".

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
    >>> round(stable_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 3)
    2.0
    """
    return stable_rank_from_eigenvalues(second_moment_eigenvalues(embeddings, center=center))


def stable_rank_from_eigenvalues(eigenvalues: ArrayLike) -> float:
    """Stable rank from the covariance's eigenvalues (d,).

    Examples
    --------
    >>> round(stable_rank_from_eigenvalues([2.0, 1.0, 1.0]), 3)
    2.0
    """
    values = checked_eigenvalues(eigenvalues)
    return 0.0 if values[0] == 0 else float((values / values[0]).sum())


@recorded("stable_rank", "sum λ / largest λ of the covariance")
def _of_moments(known: KnownMoments) -> float:
    return stable_rank_from_eigenvalues(known.eigenvalues)
