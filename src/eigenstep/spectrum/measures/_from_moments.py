"""Every measure at once, from what a streaming monitor has."""

import math

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum.measures._alpha_req import alpha_req_from_eigenvalues
from eigenstep.spectrum.measures._collapse import (
    cosine_concentration_from_moments,
    normalized_std_from_moments,
)
from eigenstep.spectrum.measures._effective_rank import effective_rank_from_eigenvalues
from eigenstep.spectrum.measures._lidar import lidar_from_moments
from eigenstep.spectrum.measures._modes_above_noise import modes_above_noise_from_eigenvalues
from eigenstep.spectrum.measures._modes_past_half import modes_past_half_from_eigenvalues
from eigenstep.spectrum.measures._participation_ratio import participation_ratio_from_eigenvalues
from eigenstep.spectrum.measures._rank_me import rank_me_from_eigenvalues
from eigenstep.spectrum.measures._stable_rank import stable_rank_from_eigenvalues

MEASURES = (
    "rank_me",
    "effective_rank",
    "participation_ratio",
    "stable_rank",
    "alpha_req",
    "lidar",
    "modes_past_half",
    "modes_above_noise",
    "mean_norm",
    "normalized_std",
    "cosine_concentration",
)


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
    centred = np.asarray(covariance_eigenvalues, np.float64)
    values = dict.fromkeys(MEASURES, math.nan)
    if second_moment_eigenvalues is not None:
        about_zero = np.asarray(second_moment_eigenvalues, np.float64)
        values["rank_me"] = rank_me_from_eigenvalues(about_zero, count=rows)
        # Summing and subtracting the mean leaves rounding of this size; a constant has no more than that.
        rounding = (4 * len(about_zero) + rows) * np.finfo(np.float64).eps * about_zero.max()
        centred = np.where(centred < rounding, 0.0, centred)
    values["effective_rank"] = effective_rank_from_eigenvalues(centred)
    values["participation_ratio"] = participation_ratio_from_eigenvalues(centred)
    values["stable_rank"] = stable_rank_from_eigenvalues(centred)
    values["alpha_req"] = alpha_req_from_eigenvalues(centred)
    values["modes_above_noise"] = modes_above_noise_from_eigenvalues(centred, count=count - 1)
    values["modes_past_half"] = modes_past_half_from_eigenvalues(
        cross_correlation_eigenvalues, plateau=plateau
    )
    if views == 2 and covariance is not None and cross_correlation is not None:
        constant = count > 1 and centred.max() == 0
        lidar = lidar_from_moments(covariance, cross_correlation, count=count, dim=len(centred))
        values["lidar"] = 0.0 if constant else lidar
    values["mean_norm"] = float(mean_norm)
    if unit_mean is not None and unit_mean_square is not None:
        values["normalized_std"] = normalized_std_from_moments(unit_mean, unit_mean_square, count=rows)
        values["cosine_concentration"] = cosine_concentration_from_moments(
            unit_mean, unit_mean_square, count=rows
        )
    return values
