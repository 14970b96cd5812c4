"""Least squares for a curve whose noise has outliers and is correlated from record to record."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

# Returns values (n,) and their derivatives (n, p) at times (n,).
Model = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

HUBER_THRESHOLD = 1.5
# Of a step, against what is known beforehand, and how many are taken at most.
STEP_TOLERANCE, MOST_STEPS = 1e-5, 50


class Fitted(NamedTuple):
    """Parameters (p,), their covariance (p, p), and the factor from standard deviation to half interval."""

    parameters: np.ndarray
    covariance: np.ndarray
    reach: float


def fit_curve(
    model: Model,
    times: np.ndarray,
    values: np.ndarray,
    start: np.ndarray,
    beforehand: np.ndarray,
) -> Fitted:
    """Fit by Huber's loss on the innovations of first-order autoregressive noise.

    Parameters
    ----------
    times, values : np.ndarray
        (n,), more of them than parameters.
    start : np.ndarray
        (p,), where to begin.
    beforehand : np.ndarray
        (p,), how well the parameters are known to be there already, as standard deviations.

    Notes
    -----
    Intervals cover nine in ten: by Student's t of as many degrees of freedom as there would be independent
    records with the same information.
    """
    parameters, correlation = start, 0.0
    for _ in range(3):
        parameters, covariance = _solve(model, times, values, parameters, correlation, start, beforehand)
        correlation = _autocorrelation(values - model(times, parameters)[0])
    independent = len(times) * (1 - correlation) / (1 + correlation)
    reach = float(stdtrit(max(independent - len(start), 2.0), 0.95))
    return Fitted(parameters, covariance, reach)


def _solve(
    model: Model,
    times: np.ndarray,
    values: np.ndarray,
    parameters: np.ndarray,
    correlation: float,
    mean: np.ndarray,
    beforehand: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt; returns parameters and their covariance."""
    damping, freedom, precision = 1e-3, max(len(times) - len(parameters), 1), 1 / beforehand**2
    residual, jacobian = _innovations(model, times, values, parameters, correlation)
    for _ in range(MOST_STEPS):
        scale = max(1.4826 * float(np.median(np.abs(residual))) * len(times) / freedom, 1e-12)
        weights = np.minimum(1, HUBER_THRESHOLD * scale / np.maximum(np.abs(residual), 1e-300)) / scale**2
        gram = jacobian.T @ (weights[:, None] * jacobian) + np.diag(precision)
        slope = jacobian.T @ (weights * residual) + precision * (mean - parameters)
        step = np.linalg.solve(gram + damping * np.diag(np.diag(gram)), slope)
        trial = parameters + step
        trial_residual, trial_jacobian = _innovations(model, times, values, trial, correlation)
        gain = (
            _cost(residual, scale)
            - _cost(trial_residual, scale)
            + precision @ ((parameters - mean) ** 2 - (trial - mean) ** 2) / 2
        )
        if gain >= 0:
            settled = (np.abs(step) < STEP_TOLERANCE * beforehand).all()
            parameters, residual, jacobian, damping = trial, trial_residual, trial_jacobian, damping / 5
            if settled:
                break
        else:
            damping *= 5
            if damping > 1e12:
                break
    clipped = np.clip(residual, -HUBER_THRESHOLD * scale, HUBER_THRESHOLD * scale)
    inside = max(float((np.abs(residual) <= HUBER_THRESHOLD * scale).mean()), 0.1)
    variance = max(float(clipped @ clipped) / freedom / inside**2, 1e-24)
    return parameters, np.linalg.inv(jacobian.T @ jacobian / variance + np.diag(precision))


def _innovations(
    model: Model, times: np.ndarray, values: np.ndarray, parameters: np.ndarray, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    value, jacobian = model(times, parameters)
    residual, first = values - value, np.sqrt(1 - correlation**2)
    return (
        np.concatenate([first * residual[:1], residual[1:] - correlation * residual[:-1]]),
        np.concatenate([first * jacobian[:1], jacobian[1:] - correlation * jacobian[:-1]]),
    )


def _cost(residual: np.ndarray, scale: float) -> float:
    size = np.abs(residual) / scale
    return float(
        np.where(size <= HUBER_THRESHOLD, size**2 / 2, HUBER_THRESHOLD * (size - HUBER_THRESHOLD / 2)).sum()
    )


def _autocorrelation(residual: np.ndarray) -> float:
    """At one record's distance, corrected for what fitted parameters take from short series."""
    power = float(residual @ residual)
    if power == 0:
        return 0.0
    raw = float(residual[1:] @ residual[:-1]) / power
    return float(np.clip(raw + (3 + 5 * raw) / len(residual), 0, 0.9))
