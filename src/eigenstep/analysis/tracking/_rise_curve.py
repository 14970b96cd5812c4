"""The curve of a rise, fitted under noise that is correlated from record to record."""

from typing import NamedTuple

import numpy as np

from eigenstep.analysis.tracking._estimate import Estimate
from eigenstep.analysis.tracking._least_squares import fit_curve

# What is fitted: from this share of the plateau on, to this many widths after the half-time, thinned to MOST.
FLOOR, AFTER, MOST = 0.05, 3.0, 1000
# Fewer records, or fewer of them within a width of the half-time, do not tell a width.
LEAST, WITHIN = 5, 2
# What is known of half-time (in widths), log width and acceleration beforehand, as standard deviations about
# the values to begin with, and about no acceleration: too little to matter where the records show them.
HALF_TIME, LOG_WIDTH, ACCELERATION = 2.0, 1.0, 0.3
# z where the curve is at 90 % of its plateau, and at 10 % with the other sign.
NINE = float(np.log(9))


class RiseCurve(NamedTuple):
    """plateau / (1 + exp(-z)) with z' in proportion to exp(acceleration z), and z = 0 at the half-time.

    `width` is the time from 10 % to 90 % of the plateau. Without acceleration the curve is logistic, as in
    the linear model; networks whose features strengthen while a mode is learned accelerate.
    """

    half_time: Estimate
    width: Estimate
    plateau: Estimate
    acceleration: Estimate


def fit_rise(
    times: np.ndarray,
    curve: np.ndarray,
    half_time: float,
    width: float,
    plateau: float,
    plateau_spread: float,
) -> RiseCurve:
    """Fit the curve's logarithm.

    Parameters
    ----------
    times, curve : (T,)
    half_time, width, plateau : where to begin
    plateau_spread : standard deviation of the plateau's logarithm about where it begins

    A rise within a record or two has no width to be seen: the values come back as they were given, with the
    half-time between the records about it and the width from there down.
    """
    window = _window(times, curve, half_time, width, plateau)
    within = np.abs(times[window] - half_time) < width
    if len(window) < LEAST or within.sum() < WITHIN or not width > 0:
        return _unresolved(times, half_time, width, plateau)
    start = np.array([half_time, np.log(width), np.log(plateau), 0.0])
    beforehand = np.array([HALF_TIME * width, LOG_WIDTH, max(plateau_spread, 1e-6), ACCELERATION])
    fitted = fit_curve(_model, times[window], np.log(curve[window]), start, beforehand)
    spread = fitted.reach * np.sqrt(np.diag(fitted.covariance))
    ends = np.stack([fitted.parameters, fitted.parameters - spread, fitted.parameters + spread])
    ends[:, 1:3] = np.exp(np.clip(ends[:, 1:3], -600, 600))
    return RiseCurve(*(Estimate(*map(float, column)) for column in ends.T))


def _window(
    times: np.ndarray, curve: np.ndarray, half_time: float, width: float, plateau: float
) -> np.ndarray:
    usable = np.isfinite(curve) & (curve > 0)
    below = np.flatnonzero((times < half_time) & ~(curve >= FLOOR * plateau))
    first = below[-1] + 1 if len(below) else 0
    inside = (np.arange(len(times)) >= first) & (times <= half_time + AFTER * width)
    window = np.flatnonzero(usable & inside)
    return window[:: max(1, -(-len(window) // MOST))]


def _model(t: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve's logarithm (n,) and its derivatives (n, 4) by half-time, log width, log plateau and a.

    z = -log(1 - a x) / a with x = (t - half_time) 2 sinh(a log 9) / (a width); series where a is small.
    """
    half_time, log_width, log_plateau, a = parameters
    rate, by_a = _rate(a)
    rate *= np.exp(np.clip(-log_width, -600, 600))
    x = np.clip(rate * (t - half_time), -1e9, 1e9)
    left = np.maximum(1 - a * x, 1e-9)
    small = np.abs(a * x) < 1e-4
    safe = a if abs(a) > 1e-13 else 1.0
    z = np.where(small, x + a * x**2 / 2, -np.log(left) / safe)
    bend = np.where(small, x**2 / 2 + 2 * a * x**3 / 3, (np.log(left) / safe + x / left) / safe)
    missing = 1 / (1 + np.exp(np.clip(z, -700, 700)))  # 1 - lambda / plateau
    steep = x / left
    jacobian = np.column_stack(
        [-rate / left * missing, -steep * missing, np.ones_like(t), (bend + steep * by_a) * missing]
    )
    return log_plateau - np.logaddexp(0, -z), jacobian


def _rate(a: float) -> tuple[float, float]:
    """z' at the half-time for a width of one, and its logarithm's derivative by a."""
    y = NINE * a
    if abs(y) < 1e-3:
        return 2 * NINE * (1 + y**2 / 6), NINE * y / 3
    return 2 * np.sinh(y) / a, NINE / np.tanh(y) - 1 / a


def _unresolved(times: np.ndarray, half_time: float, width: float, plateau: float) -> RiseCurve:
    after = int(np.clip(np.searchsorted(times, half_time), 1, len(times) - 1))
    return RiseCurve(
        Estimate(half_time, float(times[after - 1]), float(times[after])),
        Estimate(width, 0.0, np.inf),
        Estimate(plateau, 0.0, np.inf),
        Estimate(0.0, -np.inf, np.inf),
    )
