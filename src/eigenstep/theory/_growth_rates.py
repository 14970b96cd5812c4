"""The exponent at which each mode grows, and the checks that every per-mode formula makes of its input."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._preconditioned_modes import PreconditionedMode
from eigenstep.theory._update_rules import Preconditioner


def growth_rates(gamma: NDArray[np.float64], learning_rate: float | None) -> NDArray[np.float64]:
    """Return what stands for gamma_j in the exponents e^{8 gamma_j t}, (d,).

    Gradient flow (learning_rate None): gamma_j itself. Gradient descent multiplies a small mode by
    1 + 4 eta gamma_j a step, so per unit of t = eta x step the exponent is log(1 + 4 eta gamma_j) / (4 eta).

    Raises
    ------
    ValueError
        Unless 0 < learning_rate < 1 / (4 max_j |gamma_j|). Above it a mode with positive gamma does not
        settle at its end point, and one with negative gamma changes sign at every step.
    """
    if learning_rate is None:
        return gamma
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"expected a positive learning_rate, got {learning_rate}")
    largest = float(np.abs(gamma).max(initial=0.0))
    if 4 * learning_rate * largest >= 1:
        raise ValueError(
            f"gradient descent is unstable at learning_rate {learning_rate:.6g}: expected one below "
            f"1/(4 max|gamma|) = {1 / (4 * largest):.6g}; lower it"
        )
    return np.log1p(4 * learning_rate * gamma) / (4 * learning_rate)


def preconditioned_modes(
    gamma: NDArray[np.float64], preconditioner: Preconditioner, learning_rate: float | None
) -> list[PreconditionedMode]:
    """Return each mode of eigenvalue gamma_j, with lambda' = g(P) lambda (1 - lambda).

    Gradient flow: g = 8 gamma_j P. Gradient descent multiplies s by 1 + 4 eta gamma_j P (1 - lambda) a step:
    g = 2 log(1 + 4 eta gamma_j P) / eta, exact while lambda is small and P the same from step to step.

    Raises
    ------
    ValueError
        Unless 0 < learning_rate < (v_j + damping)^power / (4 gamma_j) for all gamma_j > 0, as above it a mode
        does not settle, and 0 < learning_rate < damping^power / (4 |gamma_j|) for all gamma_j < 0, as above
        it one that has nearly decayed grows again with the other sign.
    """
    variances = preconditioner.variances(gamma)
    if learning_rate is not None:
        seen = np.where(gamma < 0, 0.0, variances) + preconditioner.damping
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = np.where(gamma == 0, np.inf, seen**preconditioner.power / (4 * np.abs(gamma)))
        if not (math.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"expected a positive learning_rate, got {learning_rate}")
        if (learning_rate >= limits).any():
            mode = int(np.argmin(limits))
            raise ValueError(
                f"preconditioned gradient descent is unstable at learning_rate {learning_rate:.6g}: expected"
                f" one below {limits[mode]:.6g}, for gamma {gamma[mode]:.6g}; lower it, or raise the damping"
            )

    def growth_of(value: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        if learning_rate is None:
            return lambda gain: 8 * value * gain
        return lambda gain: 2 * np.log1p(4 * learning_rate * value * gain) / learning_rate

    return [
        PreconditionedMode(preconditioner, growth_of(float(value)), float(variance), learning_rate or 0.0)
        for value, variance in zip(gamma, variances, strict=True)
    ]


def checked_gamma(gamma: ArrayLike) -> NDArray[np.float64]:
    """Return operator eigenvalues as a finite float64 array of shape (d,)."""
    values = np.asarray(gamma, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"expected gamma as finite eigenvalues of shape (d,), got {_describe(values)}")
    return values


def checked_modes(
    gamma: ArrayLike, start_scales: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return operator eigenvalues and start scales, both (d,); one scale for all modes is repeated."""
    values = checked_gamma(gamma)
    scales = np.asarray(start_scales, dtype=np.float64)
    if scales.ndim == 0:
        scales = np.full(values.shape, scales)
    if scales.shape != values.shape or not (np.isfinite(scales) & (scales >= 0)).all():
        raise ValueError(
            f"expected start_scales finite, not negative and of gamma's shape {values.shape}, "
            f"got {_describe(scales)}"
        )
    return values, scales


def checked_times(times: ArrayLike) -> NDArray[np.float64]:
    """Return times as an array of shape (T,), none of them negative or NaN; infinity is allowed."""
    values = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if values.ndim != 1 or not (values >= 0).all():
        raise ValueError(
            f"expected times >= 0 of shape (T,), in units of learning rate x step, got {_describe(values)}"
        )
    return values


def _describe(values: NDArray[np.float64]) -> str:
    if values.ndim == 1 and values.size <= 12:
        return str(values.tolist())
    return f"shape {values.shape} with values from {values.min():.3g} to {values.max():.3g}"
