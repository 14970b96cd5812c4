"""When each mode is learned, and how fast it rises."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._growth_rates import checked_gamma, checked_modes, growth_rates


def half_times(
    gamma: ArrayLike, start_scales: ArrayLike, learning_rate: float | None = None
) -> NDArray[np.float64]:
    """Return the time at which each mode's eigenvalue of C passes one half.

        t_j = log(1 / lambda_j(0) - 1) / (8 gamma_j),     lambda_j(0) = gamma_j s_j(0)^2

    exact for an aligned start. Source: the logistic solution of arXiv:2303.15438, section 4.

    A mode that is never learned (gamma <= 0, or scale 0) has time inf. A mode that starts above one half
    passed it earlier: its time is negative, and -inf if it starts at 1 or above, from where it never passes.

    Parameters
    ----------
    gamma : ArrayLike
        (d,) eigenvalues of the data's cross-correlation.
    start_scales : ArrayLike
        (d,) or one number for all modes: s_j(0) >= 0.
    learning_rate : float | None
        None for gradient flow, a number for gradient descent; see `mode_eigenvalues`.

    Returns
    -------
    NDArray[np.float64]
        (d,) float64, in units of learning rate x step

    Raises
    ------
    ValueError
        Shapes that do not match, negative scales, or a learning rate that is not stable.

    Examples
    --------
    >>> half_times([2.0, 1.0, 0.0, -1.0], 1e-3).round(4)
    array([0.8201, 1.7269,    inf,    inf])
    """
    values, scales = checked_modes(gamma, start_scales)
    learned, log_starts = _log_start_eigenvalues(values, scales)
    starts = np.exp(np.minimum(log_starts, 0.0))
    with np.errstate(divide="ignore"):
        logits = log_starts - np.log1p(-starts)
    times = np.full(values.shape, np.inf)
    times[learned] = -logits / (8 * growth_rates(values, learning_rate)[learned])
    return times


def critical_times(
    gamma: ArrayLike, start_scales: ArrayLike, learning_rate: float | None = None
) -> NDArray[np.float64]:
    """Return the small-start approximation of the time at which each mode is learned.

        tau_j = -log(s_j(0)^2 gamma_j) / (8 gamma_j)

    It differs from `half_times` by the term -log(1 - lambda_j(0)) alone. Source: arXiv:2303.15438, section 4.
    Parameters, shapes and errors are those of `half_times`; a mode that is never learned has time inf, and
    one that starts above 1 a negative time.

    Examples
    --------
    >>> critical_times([2.0, 1.0, 0.0], 1e-3).round(4)
    array([0.8201, 1.7269,    inf])
    """
    values, scales = checked_modes(gamma, start_scales)
    learned, log_starts = _log_start_eigenvalues(values, scales)
    times = np.full(values.shape, np.inf)
    times[learned] = -log_starts / (8 * growth_rates(values, learning_rate)[learned])
    return times


def rise_widths(gamma: ArrayLike, learning_rate: float | None = None) -> NDArray[np.float64]:
    """Return the time that each mode's eigenvalue of C takes from 10 % to 90 %.

        log(81) / (8 gamma_j) = .549 / gamma_j

    The width depends on no start, so a mode's own rise measures its gamma. It is inf for gamma <= 0.

    Parameters
    ----------
    gamma : ArrayLike
        (d,) eigenvalues of the data's cross-correlation.
    learning_rate : float | None
        None for gradient flow, a number for gradient descent; see `mode_eigenvalues`.

    Returns
    -------
    NDArray[np.float64]
        (d,) float64, in units of learning rate x step

    Examples
    --------
    >>> rise_widths([1.0, 0.5, 0.0]).round(3)
    array([0.549, 1.099,   inf])
    """
    values = checked_gamma(gamma)
    rising = values > 0
    widths = np.full(values.shape, np.inf)
    widths[rising] = math.log(81) / (8 * growth_rates(values, learning_rate)[rising])
    return widths


def _log_start_eigenvalues(
    gamma: NDArray[np.float64], start_scales: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which modes are learned, and log lambda_j(0) of those; the square of a scale could underflow."""
    learned = (gamma > 0) & (start_scales > 0)
    return learned, np.log(gamma[learned]) + 2 * np.log(start_scales[learned])
