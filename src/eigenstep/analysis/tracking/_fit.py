"""The rise of one mode: half-time, width, plateau and gamma, with intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis._rises import Rise
from eigenstep.analysis.tracking._estimate import Estimate
from eigenstep.analysis.tracking._rise_curve import fit_rise

# A logistic curve's time from 10 % to 90 %, times its growth rate.
WIDTH = float(np.log(81))
# How far the level just after a rise is from that of all the time since: standard deviation of the logarithm.
SETTLING = 0.5


@dataclass(frozen=True)
class ModeFit:
    """One mode's rise, fitted to its noisy eigenvalues.

    Times are in the unit of those given: in a run's record t = learning rate × step, whatever the momentum.

    Attributes
    ----------
    mode : which track
    half_time : when the mode reaches half of its plateau
    width : time from 10 % to 90 % of the plateau
    plateau : the level that it settles at just after its rise
    growth_rate : of the logistic lambda' = growth_rate lambda (1 - lambda / plateau) of the same width
    gamma : growth_rate / 8, the operator's eigenvalue in the linear model under un-normalised Barlow Twins by
        gradient descent of a small rate; other losses have other constants
    acceleration : how much faster the rise ends than it begins: its logit grows in proportion to
        exp(acceleration × logit); 0 in the linear model, whose rises are logistic
    learned : whether `find_rises` counts the mode as learned; if not, it is still in the middle of its rise
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
    plateau_spread: float = SETTLING,
) -> ModeFit:
    """Refine a rise found by `find_rises`, with intervals that allow for noise and its correlation.

    Parameters
    ----------
    times : (T,), increasing
    eigenvalues : (T,), the mode's
    rise : where to look
    learned : passed on
    plateau_spread : how well the rise's plateau is known beforehand, as standard deviation of its logarithm

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
    growth = Estimate(*(WIDTH / w if w > 0 else np.inf for w in (value, high, low)))
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
    """Twice the time from 10 % to half of the plateau: of a plateau that itself still climbs slowly, 90 % may
    come long after the rise."""
    below = np.flatnonzero((times < rise.half_time) & (curve < 0.1 * rise.plateau))
    width = 2 * (rise.half_time - times[below[-1]]) if len(below) else rise.width
    return float(min(width, rise.width) if rise.width > 0 else width)
