"""What a monitor finds in the embeddings of a moment."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eigenstep.spectrum.measures import (
    MEASURES,
    complete_spectrum,
    measures_from_moments,
    rank_me_from_eigenvalues,
)
from eigenstep.spectrum.moments import PairMoments


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of the embeddings at one moment of training.

    Attributes
    ----------
    step, time
        When: steps made, and the sum of their learning rates.
    count : int
        Samples behind it (rows of one view; for the exponential form the effective number).
    cross_correlation : np.ndarray
        (k,), descending: eigenvalues of C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T).
    covariance : np.ndarray
        (k,), descending: eigenvalues of the two views' pooled, centred covariance.
    eigenvectors : np.ndarray | None
        (d, k), unit columns belonging to `cross_correlation`, or None if they were not asked for.
    residuals : np.ndarray | None
        (k,), |C v - lambda v| relative to the largest |lambda|, or None where all eigenvalues are exact.
    measures : dict[str, float]
        Rank and collapse measures by name, see docs/measures.md.
    nonfinite : int
        Samples that were left out since they held a NaN or an infinity.

    Notes
    -----
    k is the dimension d up to 2048 dimensions, above that the number of leading eigenvalues kept.
    """

    step: int
    time: float
    count: int
    cross_correlation: np.ndarray
    covariance: np.ndarray
    eigenvectors: np.ndarray | None
    residuals: np.ndarray | None
    measures: dict[str, float]
    nonfinite: int = 0

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The eigenvalues by the names that they have in a record."""
        return {"cross_correlation": self.cross_correlation, "covariance": self.covariance}


def spectrum_of(
    moments: PairMoments,
    *,
    step: int,
    time: float,
    center: bool,
    kept: int,
    plateau: float = 1.0,
    eigenvectors: bool = False,
) -> Spectrum:
    """The spectrum of moments.

    Parameters
    ----------
    center : bool
        Whether the cross-correlation is about the mean of both views or about zero.
    kept : int
        How many of the eigenvalues.
    plateau : float
        Eigenvalue of a learned mode in theory, for the measure `modes_past_half`.

    Examples
    --------
    >>> from eigenstep.spectrum.moments import pair_moments_of_rows
    >>> z = torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    >>> both = torch.stack([z, z]) * torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])  # three modes are learned
    >>> found = spectrum_of(pair_moments_of_rows(both), step=10, time=1.0, center=True, kept=4)
    >>> found.cross_correlation.round(1), round(found.measures["rank_me"], 1)
    (array([1.1, 0.9, 0.9, 0. ]), 3.0)
    """
    if not moments.count:
        return _unknown(moments, step, time, kept, eigenvectors)
    about_zero = torch.outer(moments.mean, moments.mean)
    cross = moments.cross_correlation if center else moments.cross_correlation + about_zero
    values, rotation = torch.linalg.eigh(cross) if eigenvectors else (torch.linalg.eigvalsh(cross), None)
    vectors = None if rotation is None else _eigenvectors(values, rotation, moments, kept)
    covariance = moments.variances
    if covariance is None:
        covariance = torch.linalg.eigvalsh(moments.covariance)
    # What the mean's rounding leaves of embeddings that are all equal.
    floor = (64 * torch.finfo(torch.float64).eps) ** 2 * float(moments.mean.square().sum())
    found = {
        "cross_correlation": values.where(values.abs() > floor, 0),
        "covariance": covariance.where(covariance > floor, 0),
        "second_moment": torch.linalg.eigvalsh(moments.covariance + about_zero).clamp(min=0),
    }
    whole = {name: _descending(values, moments.dim) for name, values in found.items()}
    leading = {name: values[:kept] for name, values in whole.items()}
    return Spectrum(
        step=step,
        time=time,
        count=moments.count,
        cross_correlation=leading["cross_correlation"],
        covariance=leading["covariance"],
        eigenvectors=vectors,
        residuals=moments.residuals,
        measures=_measures(moments, whole if moments.is_complete else leading, plateau),
        nonfinite=moments.nonfinite,
    )


def _measures(moments: PairMoments, spectra: dict[str, np.ndarray], plateau: float) -> dict[str, float]:
    """All measures, from whole spectra or leading ones; what needs more than these is exact or NaN."""
    rows, spectra = moments.count * moments.views, dict(spectra)
    if not moments.is_complete:
        traces = {
            "covariance": moments.trace,
            "second_moment": moments.trace + float(moments.mean.square().sum()),
        }
        for name, trace in traces.items():
            completed = complete_spectrum(spectra[name], trace=trace, size=min(moments.dim, rows))
            spectra[name] = np.pad(completed, (0, moments.dim - len(completed)))
    matrices = {"covariance": moments.covariance, "cross_correlation": moments.cross_correlation}
    measures = measures_from_moments(
        spectra["covariance"],
        spectra["cross_correlation"],
        count=moments.count,
        views=moments.views,
        mean_norm=float(moments.collapse.norm),
        unit_mean=moments.collapse.unit.numpy(),
        unit_mean_square=moments.collapse.unit_square.numpy(),
        plateau=plateau,
        **{name: matrix.numpy() for name, matrix in matrices.items() if moments.is_complete},
    )
    # Told apart from the rest, since there the centred spectrum is cut at the rounding of moments about zero,
    # and these moments were never formed about zero.
    measures["rank_me"] = rank_me_from_eigenvalues(spectra["second_moment"], count=rows)
    if not moments.is_complete and moments.square > 0:
        measures["participation_ratio"] = moments.trace**2 / moments.square
    return measures


def _unknown(moments: PairMoments, step: int, time: float, kept: int, eigenvectors: bool) -> Spectrum:
    """Of embeddings none of which was finite."""
    unknown = np.full(kept, np.nan)
    return Spectrum(
        step=step,
        time=time,
        count=0,
        cross_correlation=unknown,
        covariance=unknown.copy(),
        eigenvectors=np.full((moments.dim, kept), np.nan) if eigenvectors else None,
        residuals=None,
        measures=dict.fromkeys(MEASURES, math.nan),
        nonfinite=moments.nonfinite,
    )


def _descending(values: Tensor, dim: int) -> np.ndarray:
    return np.sort(np.pad(values.numpy(), (0, max(dim - len(values), 0))))[::-1].copy()


def _eigenvectors(values: Tensor, rotation: Tensor, moments: PairMoments, kept: int) -> np.ndarray:
    """Columns (d, kept) as the padded eigenvalues descend, each with its largest entry positive.

    Directions that the embeddings have no part in have no eigenvector of their own: zero.
    """
    padded = np.pad(values.numpy(), (0, max(moments.dim - len(values), 0)))
    order = torch.from_numpy(np.argsort(-padded, kind="stable")[:kept].copy())
    inside = order < len(values)
    vectors = moments.mean.new_zeros(moments.dim, len(order))
    vectors[:, inside] = moments.lift(rotation[:, order[inside]])
    largest = vectors.abs().argmax(0, keepdim=True)
    return (vectors * vectors.gather(0, largest).sign()).numpy()
