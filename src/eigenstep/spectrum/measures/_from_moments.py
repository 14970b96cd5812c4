"""Every measure at once, from what a streaming monitor has."""

import math

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum.measures._eigenvalues import float64_array
from eigenstep.spectrum.measures._measure import KnownMoments, in_order


def measures_from_moments(
    covariance_eigenvalues: ArrayLike,
    cross_correlation_eigenvalues: ArrayLike,
    *,
    count: int,
    views: int = 2,
    second_moment_eigenvalues: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    cross_correlation: ArrayLike | None = None,
    mean_norm: float = math.nan,
    unit_mean: ArrayLike | None = None,
    unit_mean_square: ArrayLike | None = None,
    plateau: float = 1.0,
) -> dict[str, float]:
    """The measures named in `MEASURES`, each with its default normalisation; NaN where its input is missing.

    Parameters
    ----------
    covariance_eigenvalues : ArrayLike
        (d,) of the views' pooled covariance about their mean: effective_rank, participation_ratio,
        stable_rank, alpha_req, modes_above_noise. Where only the leading ones are known, continue them by
        `complete_spectrum`.
    cross_correlation_eigenvalues : ArrayLike
        (d,), centred or not: modes_past_half.
    count : int
        Rows n of one view; also what modes_above_noise takes for independent, since the views of an image are
        not.
    views : int
        1 or 2; the moments have n * views rows.
    second_moment_eigenvalues : ArrayLike | None
        (d,) of the pooled second moment about zero: rank_me.
    covariance, cross_correlation : ArrayLike | None
        (d, d), both about the mean of both views, or (r, r) in a basis of the embeddings' span: lidar, of two
        views.
    mean_norm : float
        Mean norm of the embeddings.
    unit_mean, unit_mean_square : ArrayLike | None
        (d,), mean and mean square of z / ||z||: normalized_std, cosine_concentration.
    plateau : float
        Eigenvalue of a learned mode in theory.

    Examples
    --------
    >>> spectrum = [1.0, 1.0, 0.0, 0.0]
    >>> found = measures_from_moments(spectrum, spectrum, count=100, second_moment_eigenvalues=spectrum)
    >>> round(found["rank_me"], 3), round(found["effective_rank"], 3), found["modes_past_half"]
    (2.0, 2.0, 2.0)
    """
    rows = count * views
    centred = float64_array(covariance_eigenvalues, "covariance_eigenvalues")
    about_zero = None
    if second_moment_eigenvalues is not None:
        about_zero = float64_array(second_moment_eigenvalues, "second_moment_eigenvalues")
        # Summing and subtracting the mean leaves rounding of this size; a constant has no more than that.
        rounding = (4 * len(about_zero) + rows) * np.finfo(np.float64).eps * about_zero.max()
        centred = np.where(centred < rounding, 0.0, centred)
    known = KnownMoments(
        count=count,
        views=views,
        eigenvalues=centred,
        cross_eigenvalues=float64_array(cross_correlation_eigenvalues, "cross_correlation_eigenvalues"),
        second_moment_eigenvalues=about_zero,
        covariance=_array(covariance),
        cross_correlation=_array(cross_correlation),
        mean_norm=float(mean_norm),
        unit_mean=_array(unit_mean),
        unit_mean_square=_array(unit_mean_square),
        plateau=plateau,
    )
    return {name: measure.of(known) for name, measure in in_order().items()}


def _array(values: ArrayLike | None) -> np.ndarray | None:
    return None if values is None else float64_array(values, "moments")
