"""When each mode is learned, and how fast it rises."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._growth_rates import (
    checked_gamma,
    checked_modes,
    growth_rates,
    preconditioned_modes,
)
from eigenstep.theory._preconditioned_modes import PreconditionedMode
from eigenstep.theory._update_rules import Preconditioner, Rule, checked_rule


def half_times(
    gamma: ArrayLike,
    start_scales: ArrayLike,
    learning_rate: float | None = None,
    *,
    rule: Rule = "gradient",
) -> NDArray[np.float64]:
    """Return the time at which each mode's eigenvalue of C passes one half.

        t_j = log(1 / lambda_j(0) - 1) / (8 gamma_j),     lambda_j(0) = gamma_j s_j(0)^2

    exact for an aligned start. Source: the logistic solution of arXiv:2303.15438, section 4.

        preconditioned   t_j = (F(1/2) - F(lambda_j(0))) / (8 gamma_j),
                         dF / d lambda = (lambda + damping)^power / (lambda (1 - lambda))
        orthogonalised   t_j = 1 / sqrt(2 gamma_j) - s_j(0)

    so the spread over modes is that of 1 / gamma, but of 1 / sqrt(gamma) where updates are orthogonalised.

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
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` of other power and damping.

    Returns
    -------
    NDArray[np.float64]
        (d,) float64, in units of learning rate x step

    Raises
    ------
    ValueError
        Shapes that do not match, negative scales, an unknown rule, or a learning rate that is not stable.

    Examples
    --------
    >>> half_times([2.0, 1.0, 0.0, -1.0], 1e-3).round(4)
    array([0.8201, 1.7269,    inf,    inf])
    >>> half_times([2.0, 1.0], 1e-3, rule="preconditioned").round(4)
    array([0.1212, 0.2452])
    >>> half_times([2.0, 1.0], 1e-3, rule="orthogonalised").round(4)
    array([0.499 , 0.7061])
    """
    values, scales = checked_modes(gamma, start_scales)
    learned, log_starts = _log_start_eigenvalues(values, scales)
    update = checked_rule(rule)
    if isinstance(update, Preconditioner):
        modes = preconditioned_modes(values, update, learning_rate)
        return _times_of(learned, log_starts, modes, PreconditionedMode.time_to_half)
    if update == "orthogonalised":
        return _orthogonalised_half_times(values, scales, learned)
    starts = np.exp(np.minimum(log_starts, 0.0))
    with np.errstate(divide="ignore"):
        logits = log_starts - np.log1p(-starts)
    times = np.full(values.shape, np.inf)
    times[learned] = -logits / (8 * growth_rates(values, learning_rate)[learned])
    return times


def critical_times(
    gamma: ArrayLike,
    start_scales: ArrayLike,
    learning_rate: float | None = None,
    *,
    rule: Rule = "gradient",
) -> NDArray[np.float64]:
    """Return the small-start approximation of the time at which each mode is learned.

        tau_j = -log(s_j(0)^2 gamma_j) / (8 gamma_j)

    It differs from `half_times` by the term -log(1 - lambda_j(0)) alone. Source: arXiv:2303.15438, section 4.
    Under other rules too it is what `half_times` tends to as the start gets smaller: 1 / sqrt(2 gamma_j) for
    orthogonalised updates, F(1/2) / (8 gamma_j) without damping, both whatever the start, and with damping

        preconditioned   tau_j = (F_0 - damping^power log lambda_j(0)) / (8 gamma_j)

    where only starts with lambda_j(0) well below the damping count as small. Parameters, shapes and errors
    are those of `half_times`, and without damping a learning rate is refused, to which no start is small. A
    mode that is never learned has time inf, and
    one that starts above 1 a negative time.

    Examples
    --------
    >>> critical_times([2.0, 1.0, 0.0], 1e-3).round(4)
    array([0.8201, 1.7269,    inf])
    """
    values, scales = checked_modes(gamma, start_scales)
    learned, log_starts = _log_start_eigenvalues(values, scales)
    update = checked_rule(rule)
    if isinstance(update, Preconditioner):
        if learning_rate is not None and update.damping == 0 and update.power > 0:
            raise ValueError(
                "without damping a start is never small to gradient descent: expected a damping above 0, or"
                " learning_rate None"
            )
        modes = preconditioned_modes(values, update, learning_rate)
        return _times_of(learned, log_starts, modes, PreconditionedMode.small_start_time)
    if update == "orthogonalised":
        return _orthogonalised_half_times(values, np.zeros_like(scales), learned)
    times = np.full(values.shape, np.inf)
    times[learned] = -log_starts / (8 * growth_rates(values, learning_rate)[learned])
    return times


def rise_widths(
    gamma: ArrayLike, learning_rate: float | None = None, *, rule: Rule = "gradient"
) -> NDArray[np.float64]:
    """Return the time that each mode's eigenvalue of C takes from 10 % to 90 %.

        log(81) / (8 gamma_j) = .549 / gamma_j

    The width depends on no start, so a mode's own rise measures its gamma. It is inf for gamma <= 0. Under
    the preconditioned rule the curve is not symmetric about its half-time. An orthogonalised rise takes
    (sqrt(.9) - sqrt(.1)) / sqrt(gamma_j) = .632 / sqrt(gamma_j).

    Parameters
    ----------
    gamma : ArrayLike
        (d,) eigenvalues of the data's cross-correlation.
    learning_rate : float | None
        None for gradient flow, a number for gradient descent; see `mode_eigenvalues`.
    rule : Rule
        gradient, preconditioned, orthogonalised, or a `Preconditioner` of other power and damping.

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
    update = checked_rule(rule)
    if isinstance(update, Preconditioner):
        modes = preconditioned_modes(values, update, learning_rate)
        for mode in np.flatnonzero(rising).tolist():
            widths[mode] = modes[mode].time_between(-math.log(9), math.log(9))
        return widths
    if update == "orthogonalised":
        widths[rising] = (math.sqrt(0.9) - math.sqrt(0.1)) / np.sqrt(values[rising])
        return widths
    widths[rising] = math.log(81) / (8 * growth_rates(values, learning_rate)[rising])
    return widths


def _log_start_eigenvalues(
    gamma: NDArray[np.float64], start_scales: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which modes are learned, and log lambda_j(0) of those; the square of a scale could underflow."""
    learned = (gamma > 0) & (start_scales > 0)
    return learned, np.log(gamma[learned]) + 2 * np.log(start_scales[learned])


def _times_of(
    learned: NDArray[np.bool_],
    log_starts: NDArray[np.float64],
    modes: Sequence[PreconditionedMode],
    time: Callable[[PreconditionedMode, float], float],
) -> NDArray[np.float64]:
    times = np.full(learned.shape, np.inf)
    for mode, log_start in zip(np.flatnonzero(learned).tolist(), log_starts.tolist(), strict=True):
        times[mode] = time(modes[mode], log_start)
    return times


def _orthogonalised_half_times(
    gamma: NDArray[np.float64], start_scales: NDArray[np.float64], learned: NDArray[np.bool_]
) -> NDArray[np.float64]:
    times = np.full(gamma.shape, np.inf)
    values, starts = gamma[learned], start_scales[learned]
    times[learned] = np.where(np.sqrt(values) * starts < 1, 1 / np.sqrt(2 * values) - starts, -np.inf)
    return times
