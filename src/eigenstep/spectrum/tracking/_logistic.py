"""Least squares for a logistic curve under multiplicative noise that is correlated from record to record."""

import numpy as np
from scipy.stats import t as student

from eigenstep.spectrum.tracking._estimate import Estimate

# A logistic curve's time from 10 % to 90 %, times its growth rate.
WIDTH = float(np.log(81))
FLOOR, AFTER, LEAST = 0.02, 3.0, 5
HUBER = 1.5


def fit_logistic(
    times: np.ndarray, curve: np.ndarray, half_time: float, width: float, plateau: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Half-time, growth rate and plateau of plateau / (1 + exp(-growth (t - half_time))).

    Fits the curve's logarithm from 2 % of the plateau to three widths after the half-time, by Huber's loss on
    the innovations of first-order autoregressive noise. With fewer than five records there the values come
    back as they were given, with intervals that are open.
    """
    start = np.array([half_time, np.log(WIDTH / width) if width > 0 else np.inf, np.log(plateau)])
    window = _window(times, curve, half_time, width, plateau)
    if len(window) < LEAST or not np.isfinite(start).all():
        return _unknown(half_time, width, plateau)
    t, y = times[window], np.log(curve[window])
    parameters, correlation = start, 0.0
    for _ in range(3):
        parameters, covariance = _solve(t, y, parameters, correlation)
        correlation = _autocorrelation(y - _model(t, parameters)[0])
    independent = len(t) * (1 - correlation) / (1 + correlation)
    spread = np.sqrt(np.diag(covariance)) * student.ppf(0.95, max(independent - 3, 1.0))
    low, high = parameters - spread, parameters + spread
    return (
        Estimate(*(float(end[0]) for end in (parameters, low, high))),
        Estimate(*(float(np.exp(end[1])) for end in (parameters, low, high))),
        Estimate(*(float(np.exp(end[2])) for end in (parameters, low, high))),
    )


def _window(
    times: np.ndarray, curve: np.ndarray, half_time: float, width: float, plateau: float
) -> np.ndarray:
    usable = np.isfinite(curve) & (curve > 0)
    below = np.flatnonzero((times < half_time) & ~(curve >= FLOOR * plateau))
    first = below[-1] + 1 if len(below) else 0
    return np.flatnonzero(usable & (np.arange(len(times)) >= first) & (times <= half_time + AFTER * width))


def _model(t: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve's logarithm (n,) and its derivatives (n, 3) by half-time, log growth and log plateau."""
    half_time, log_growth, log_plateau = parameters
    growth = np.exp(log_growth)
    x = growth * (t - half_time)
    missing = 1 / (1 + np.exp(np.clip(x, -700, 700)))  # 1 - lambda / plateau
    value = log_plateau - np.logaddexp(0, -x)
    return value, np.column_stack([-growth * missing, x * missing, np.ones_like(t)])


def _solve(
    t: np.ndarray, y: np.ndarray, parameters: np.ndarray, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt with Huber's weights; returns parameters and their covariance."""
    damping, scale = 1e-3, np.inf
    value, jacobian = _whiten(t, y, parameters, correlation)
    for _ in range(50):
        scale = max(1.4826 * float(np.median(np.abs(value))), 1e-12)
        weights = np.minimum(1, HUBER * scale / np.maximum(np.abs(value), 1e-300))
        gram = jacobian.T @ (weights[:, None] * jacobian)
        step = np.linalg.solve(
            gram + damping * np.diag(np.diag(gram) + 1e-300), jacobian.T @ (weights * value)
        )
        trial = parameters + step
        trial_value, trial_jacobian = _whiten(t, y, trial, correlation)
        if _huber(trial_value, scale) <= _huber(value, scale):
            small = np.abs(step).max() < 1e-9 * (1 + np.abs(parameters).max())
            parameters, value, jacobian, damping = trial, trial_value, trial_jacobian, damping / 5
            if small:
                break
        else:
            damping *= 5
            if damping > 1e12:
                break
    clipped = np.clip(value, -HUBER * scale, HUBER * scale)
    inside = max(float((np.abs(value) <= HUBER * scale).mean()), 0.1)
    variance = float(clipped @ clipped) / max(len(t) - 3, 1) / inside**2
    return parameters, variance * np.linalg.pinv(jacobian.T @ jacobian)


def _whiten(
    t: np.ndarray, y: np.ndarray, parameters: np.ndarray, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    value, jacobian = _model(t, parameters)
    residual = y - value
    first = np.sqrt(1 - correlation**2)
    return (
        np.concatenate([first * residual[:1], residual[1:] - correlation * residual[:-1]]),
        np.concatenate([first * jacobian[:1], jacobian[1:] - correlation * jacobian[:-1]]),
    )


def _huber(residual: np.ndarray, scale: float) -> float:
    size = np.abs(residual) / scale
    return float(np.where(size <= HUBER, size**2 / 2, HUBER * (size - HUBER / 2)).sum())


def _autocorrelation(residual: np.ndarray) -> float:
    """At one record's distance, with the small-sample correction of Kendall (1954)."""
    power = float(residual @ residual)
    if power == 0:
        return 0.0
    raw = float(residual[1:] @ residual[:-1]) / power
    return float(np.clip(raw + (1 + 4 * raw) / len(residual), 0, 0.95))


def _unknown(half_time: float, width: float, plateau: float) -> tuple[Estimate, Estimate, Estimate]:
    growth = WIDTH / width if width > 0 else np.inf
    return (
        Estimate(half_time, -np.inf, np.inf),
        Estimate(growth, 0.0, np.inf),
        Estimate(plateau, 0.0, np.inf),
    )
