"""The rise of one mode: half-time, width, plateau and gamma, with intervals."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis._rises import LOGISTIC_WIDTH, Rise
from eigenstep.analysis.tracking._least_squares import fit_curve

# How far the level just after a rise is from that of all the time since: standard deviation of the logarithm.
PLATEAU_SPREAD = 0.5
# What is fitted: from this share of the plateau on, to this many widths after the half-time, thinned to so
# many records.
FITTED_FROM_SHARE, FITTED_WIDTHS_AFTER, MOST_FITTED = 0.05, 3.0, 1000
# Fewer records, or fewer of them within a width of the half-time, do not tell a width.
FEWEST_FITTED, FEWEST_WITHIN_A_WIDTH = 5, 2
# What is known of half-time (in widths), log width and acceleration beforehand, as standard deviations about
# the values to begin with, and about no acceleration: too little to matter where the records show them.
HALF_TIME_SPREAD, LOG_WIDTH_SPREAD, ACCELERATION_SPREAD = 2.0, 1.0, 0.3
# z where the curve is at 90 % of its plateau, and at 10 % with the other sign.
LOGIT_OF_NINE_TENTHS = float(np.log(9))


class Estimate(NamedTuple):
    """A value and the ends of its interval, which covers the truth in nine cases of ten."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ModeFit:
    """One mode's rise, fitted to its noisy eigenvalues.

    Times are in the unit of those given: in a run's record t = learning rate × step, whatever the momentum.

    Attributes
    ----------
    mode : int
        Which track.
    half_time : Estimate
        When the mode reaches half of its plateau.
    width : Estimate
        Time from 10 % to 90 % of the plateau.
    plateau : Estimate
        The level that it settles at just after its rise.
    growth_rate : Estimate
        Of the logistic lambda' = growth_rate lambda (1 - lambda / plateau) of the same width.
    gamma : Estimate
        growth_rate / 8, the operator's eigenvalue in the linear model under un-normalised Barlow Twins by
        gradient descent of a small rate; other losses have other constants.
    acceleration : Estimate
        How much faster the rise ends than it begins: its logit grows in proportion to exp(acceleration ×
        logit); 0 in the linear model, whose rises are logistic.
    learned : bool
        Whether `find_rises` counts the mode as learned; if not, it is still in the middle of its rise.
    """

    mode: int
    half_time: Estimate
    width: Estimate
    plateau: Estimate
    growth_rate: Estimate
    gamma: Estimate
    acceleration: Estimate
    learned: bool


def fit_mode(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    rise: Rise,
    *,
    learned: bool = True,
    plateau_spread: float = PLATEAU_SPREAD,
) -> ModeFit:
    """Refine a rise found by `find_rises`, with intervals that allow for noise and its correlation.

    Parameters
    ----------
    times : ArrayLike
        (T,), increasing.
    eigenvalues : ArrayLike
        (T,), the mode's.
    rise : Rise
        Where to look.
    learned : bool
        Passed on.
    plateau_spread : float
        How well the rise's plateau is known beforehand, as standard deviation of its logarithm.

    Examples
    --------
    >>> times = np.linspace(0, 10, 201)
    >>> curve = 0.8 / (1 + np.exp(-4 * (times - 5.0)))
    >>> fit = fit_mode(times, curve, Rise(0, 5.1, 0.8, 1.0))
    >>> round(fit.half_time.value, 3), round(fit.plateau.value, 3), round(fit.gamma.value, 3)
    (5.0, 0.8, 0.5)
    """
    t, curve = np.asarray(times, float), np.asarray(eigenvalues, float)
    width = _width_before(t, curve, rise)
    fitted = fit_rise(t, curve, rise.half_time, width, rise.plateau, plateau_spread)
    value, low, high = fitted.width
    growth = Estimate(*(LOGISTIC_WIDTH / w if w > 0 else np.inf for w in (value, high, low)))
    gamma = Estimate(*(rate / 8 for rate in growth))
    return ModeFit(
        rise.mode,
        fitted.half_time,
        fitted.width,
        fitted.plateau,
        growth,
        gamma,
        fitted.acceleration,
        learned,
    )


def _width_before(times: np.ndarray, curve: np.ndarray, rise: Rise) -> float:
    """Twice the time from 10 % to half of the plateau.

    Of a plateau that itself still climbs slowly, 90 % may come long after the rise.
    """
    below = np.flatnonzero((times < rise.half_time) & (curve < 0.1 * rise.plateau))
    width = 2 * (rise.half_time - times[below[-1]]) if len(below) else rise.width
    return float(min(width, rise.width) if rise.width > 0 else width)


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
    times, curve : np.ndarray
        (T,).
    half_time, width, plateau : float
        Where to begin.
    plateau_spread : float
        Standard deviation of the plateau's logarithm about where it begins.

    Notes
    -----
    A rise within a record or two has no width to be seen: the values come back as they were given, with the
    half-time between the records about it and the width from there down.
    """
    window = _window(times, curve, half_time, width, plateau)
    within = np.abs(times[window] - half_time) < width
    if len(window) < FEWEST_FITTED or within.sum() < FEWEST_WITHIN_A_WIDTH or not width > 0:
        return _unresolved(times, half_time, width, plateau)
    start = np.array([half_time, np.log(width), np.log(plateau), 0.0])
    beforehand = np.array(
        [HALF_TIME_SPREAD * width, LOG_WIDTH_SPREAD, max(plateau_spread, 1e-6), ACCELERATION_SPREAD]
    )
    fitted = fit_curve(log_rise_curve, times[window], np.log(curve[window]), start, beforehand)
    spread = fitted.reach * np.sqrt(np.diag(fitted.covariance))
    ends = np.stack([fitted.parameters, fitted.parameters - spread, fitted.parameters + spread])
    ends[:, 1:3] = np.exp(np.clip(ends[:, 1:3], -600, 600))
    return RiseCurve(*(Estimate(*map(float, column)) for column in ends.T))


def _window(
    times: np.ndarray, curve: np.ndarray, half_time: float, width: float, plateau: float
) -> np.ndarray:
    usable = np.isfinite(curve) & (curve > 0)
    below = np.flatnonzero((times < half_time) & ~(curve >= FITTED_FROM_SHARE * plateau))
    first = below[-1] + 1 if len(below) else 0
    inside = (np.arange(len(times)) >= first) & (times <= half_time + FITTED_WIDTHS_AFTER * width)
    window = np.flatnonzero(usable & inside)
    return window[:: max(1, -(-len(window) // MOST_FITTED))]


def log_rise_curve(t: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve's logarithm (n,) and its derivatives (n, 4) by half-time, log width, log plateau and a.

    z = -log(1 - a x) / a with x = (t - half_time) 2 sinh(a log 9) / (a width); series where a is small.

    Examples
    --------
    >>> values, slopes = log_rise_curve(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0, 0.0]))
    >>> np.exp(values).round(2), slopes.shape
    (array([0.01, 0.5 , 0.99]), (3, 4))
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
    y = LOGIT_OF_NINE_TENTHS * a
    if abs(y) < 1e-3:
        return 2 * LOGIT_OF_NINE_TENTHS * (1 + y**2 / 6), LOGIT_OF_NINE_TENTHS * y / 3
    return 2 * np.sinh(y) / a, LOGIT_OF_NINE_TENTHS / np.tanh(y) - 1 / a


def _unresolved(times: np.ndarray, half_time: float, width: float, plateau: float) -> RiseCurve:
    after = int(np.clip(np.searchsorted(times, half_time), 1, len(times) - 1))
    return RiseCurve(
        Estimate(half_time, float(times[after - 1]), float(times[after])),
        Estimate(width, 0.0, np.inf),
        Estimate(plateau, 0.0, np.inf),
        Estimate(0.0, -np.inf, np.inf),
    )
