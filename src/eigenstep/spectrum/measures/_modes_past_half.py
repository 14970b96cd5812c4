"""How many eigenvalues of the cross-correlation are past half of the theory's plateau."""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import as_float64
from eigenstep.spectrum._measure import cross_correlation_eigenvalues
from eigenstep.spectrum.measures._eigenvalues import float64_array
from eigenstep.spectrum.measures._measure import KnownMoments, recorded


def modes_past_half(
    z_a: ArrayLike | Tensor,
    z_b: ArrayLike | Tensor,
    *,
    center: bool,
    plateau: float = 1.0,
    fraction: float = 0.5,
) -> float:
    """Number of eigenvalues of C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T) at or above `fraction` of `plateau`.

    Not normalised: the embeddings' scale is the signal. The half of the plateau is where a mode's half-time
    is; which modes a run has learned is for `eigenstep.analysis.learned_rises` to say, which sees the whole
    course. NaN if an embedding is not finite, or too large to be squared.

    Source: Simon et al., "On the stepwise nature of self-supervised learning", ICML 2023, arXiv:2303.15438.

    Parameters
    ----------
    z_a, z_b : ArrayLike | Tensor
        (n, d), the two views.
    center : bool
        Subtract the mean over both views first.
    plateau : float
        What the theory gives a learned mode: 1 for un-normalised Barlow Twins, the temperature for
        un-normalised SimCLR; cosine-normalised embeddings have none.
    fraction : float
        Share of the plateau that counts.

    Raises
    ------
    ValueError
        For another shape.

    Examples
    --------
    >>> z = np.diag([1.0, 1.0, 0.1]) * 3**0.5
    >>> modes_past_half(z, z, center=False)
    2.0
    """
    a, b = as_float64(z_a), as_float64(z_b)
    if not all(torch.isfinite(z.square().sum()) for z in (a, b)):
        return math.nan
    values = cross_correlation_eigenvalues(a, b, center=center)
    return modes_past_half_from_eigenvalues(values, plateau=plateau, fraction=fraction)


def modes_past_half_from_eigenvalues(
    eigenvalues: ArrayLike, *, plateau: float = 1.0, fraction: float = 0.5
) -> float:
    """The same from the eigenvalues (d,) of the cross-correlation, in any order.

    Examples
    --------
    >>> modes_past_half_from_eigenvalues([1.02, 0.97, 0.3, -0.01])
    2.0
    """
    values = float64_array(eigenvalues, "eigenvalues")
    if not np.isfinite(values).all() or not math.isfinite(plateau):
        return math.nan
    return float((values >= fraction * plateau).sum())


@recorded("modes_past_half", "λ of the cross-correlation above 1/2")
def _of_moments(known: KnownMoments) -> float:
    return modes_past_half_from_eigenvalues(known.cross_eigenvalues, plateau=known.plateau)
