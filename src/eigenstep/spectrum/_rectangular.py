"""The rectangular modes of two encoders: singular values of the cross-covariance of their embeddings."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
from eigenstep.spectrum.measures import MEASURES, modes_past_half_from_eigenvalues
from eigenstep.spectrum.moments import TwoSides

# Measures that are of both sides, or of two views, and not of the embeddings of one encoder.
NOT_OF_ONE_SIDE = ("modes_past_half", "lidar")


@dataclass(frozen=True, kw_only=True)
class RectangularSpectrum(Spectrum):
    """What the embeddings a (n, d_a) and b (n, d_b) of two encoders have in common at one moment.

    Attributes
    ----------
    cross_correlation : np.ndarray
        (k,), descending: singular values of 1/n sum_i a_i b_i^T, k = min(d_a, d_b).
    covariance, covariance_b : np.ndarray
        (d_a,) and (d_b,), descending: eigenvalues of each side's covariance about its own mean.
    eigenvectors, eigenvectors_b : np.ndarray | None
        (d_a, k) and (d_b, k), unit columns: the singular vectors, or None if they were not asked for.
    measures : dict[str, float]
        `modes_past_half` of the singular values, and of each side the others, as `rank_me_a`, `rank_me_b`.
    """

    covariance_b: np.ndarray
    eigenvectors_b: np.ndarray | None = None

    @property
    def columns(self) -> dict[str, np.ndarray]:
        return {
            "cross_correlation": self.cross_correlation,
            "covariance_a": self.covariance,
            "covariance_b": self.covariance_b,
        }


def rectangular_spectrum_of(
    moments: TwoSides,
    *,
    step: int,
    time: float,
    center: bool,
    kept: tuple[int, int],
    plateau: float = 1.0,
    eigenvectors: bool = False,
) -> RectangularSpectrum:
    """The spectrum of two encoders' moments.

    Parameters
    ----------
    center : bool
        Whether the cross-covariance is about the mean of each side or about zero.
    kept : tuple[int, int]
        How many eigenvalues of each side; of the singular values the fewer of both.
    plateau : float
        Singular value of a learned mode in theory, for the measure `modes_past_half`.

    Examples
    --------
    >>> from eigenstep.spectrum.moments import two_sides_of_rows
    >>> a, b = torch.eye(4)[:, :3] * 2, torch.eye(4)[:, :2] * 3
    >>> options = dict(step=0, time=0.0, center=False, kept=(3, 2))
    >>> found = rectangular_spectrum_of(two_sides_of_rows(a, b), **options)
    >>> found.cross_correlation.round(6), found.covariance.shape, found.covariance_b.shape
    (array([1.5, 1.5]), (3,), (2,))
    """
    sides = [
        spectrum_of(side, step=step, time=time, center=center, kept=most)
        for side, most in zip(moments.sides, kept, strict=True)
    ]
    modes = min(kept)
    values, left, right = _singular(moments, modes, center=center, vectors=eigenvectors)
    measures = {"modes_past_half": modes_past_half_from_eigenvalues(values, plateau=plateau)}
    for letter, side in zip("ab", sides, strict=True):
        measures |= {
            f"{name}_{letter}": side.measures[name] for name in MEASURES if name not in NOT_OF_ONE_SIDE
        }
    first, second = sides
    return RectangularSpectrum(
        **vars(
            replace(
                first,
                count=moments.joint.count,
                cross_correlation=values[:modes],
                eigenvectors=left,
                residuals=None,
                measures=measures,
                nonfinite=moments.joint.nonfinite,
            )
        ),
        covariance_b=second.covariance,
        eigenvectors_b=right,
    )


def _singular(
    moments: TwoSides, modes: int, *, center: bool, vectors: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """All singular values, descending, and the first singular vectors of both sides where they are asked for.

    The largest entry of each left vector is positive; directions that nothing lies in have none: zero.
    """
    whole = min(moments.dims)
    if not moments.joint.count:
        unknown = [np.full((dim, modes), math.nan) if vectors else None for dim in moments.dims]
        return np.full(whole, math.nan), unknown[0], unknown[1]
    (basis_a, left), (basis_b, right) = (_reduced(each) for each in moments.cross_factors(center=center))
    u, values, v = torch.linalg.svd(left @ right.T, full_matrices=False)
    # What the rounding of the means leaves of embeddings that are all equal.
    sizes = [float(torch.linalg.vector_norm(side.mean)) for side in moments.sides]
    floor = (64 * torch.finfo(torch.float64).eps) ** 2 * sizes[0] * sizes[1]
    values = values.where(values > floor, 0)
    padded = np.pad(values.numpy(), (0, max(whole - len(values), 0)))[:whole]
    if not vectors:
        return padded, None, None
    first, second = (_columns(each, modes, values) for each in (basis_a @ u, basis_b @ v.T))
    signs = torch.sign(first.gather(0, first.abs().argmax(0, keepdim=True)))
    return padded, (first * signs).numpy(), (second * signs).numpy()


def _reduced(factor: Tensor) -> tuple[Tensor, Tensor]:
    """An orthonormal basis (d, r) of what a factor (d, k) spans, and the factor in it, (r, k)."""
    if len(factor) <= factor.shape[1]:
        return torch.eye(len(factor), dtype=factor.dtype), factor
    basis, inside = torch.linalg.qr(factor)
    return basis, inside


def _columns(vectors: Tensor, modes: int, values: Tensor) -> Tensor:
    columns = vectors.new_zeros(len(vectors), modes)
    known = min(modes, vectors.shape[1])
    columns[:, :known] = vectors[:, :known] * (values[:known] > 0)
    return columns
