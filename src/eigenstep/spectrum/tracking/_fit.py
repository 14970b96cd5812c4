"""The logistic rise of one mode: half-time, width, plateau and gamma, with intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum._rises import Rise
from eigenstep.spectrum.tracking._estimate import Estimate
from eigenstep.spectrum.tracking._logistic import WIDTH, fit_logistic


@dataclass(frozen=True)
class ModeFit:
    """One mode's rise, lambda' = growth_rate lambda (1 - lambda / plateau), fitted to its noisy eigenvalues.

    Times are in the unit of the times given, t = learning rate × step for a run's record.

    Attributes
    ----------
    mode : which track
    half_time : when the mode reaches half of its plateau
    width : time from 10 % to 90 % of the plateau, log(81) / growth_rate
    plateau : the level that it settles at just after its rise
    growth_rate : of the eigenvalue while it is small, a unit of time
    gamma : growth_rate / 8, the operator's eigenvalue for Barlow Twins without normalisation and momentum
    learned : whether `find_rises` counts the mode as learned; if not, it is still in the middle of its rise
    """

    mode: int
    half_time: Estimate
    width: Estimate
    plateau: Estimate
    growth_rate: Estimate
    gamma: Estimate
    learned: bool


def fit_mode(times: ArrayLike, eigenvalues: ArrayLike, rise: Rise, *, learned: bool = True) -> ModeFit:
    """Refine a rise found by `find_rises`.

    Parameters
    ----------
    times : (T,), increasing
    eigenvalues : (T,), the mode's
    rise : where to look
    learned : passed on

    >>> times = np.linspace(0, 10, 201)
    >>> curve = 0.8 / (1 + np.exp(-4 * (times - 5.0)))
    >>> fit = fit_mode(times, curve, Rise(0, 5.1, 0.8, 1.0))
    >>> round(fit.half_time.value, 3), round(fit.plateau.value, 3), round(fit.gamma.value, 3)
    (5.0, 0.8, 0.5)
    """
    t, curve = np.asarray(times, float), np.asarray(eigenvalues, float)
    half_time, growth, plateau = fit_logistic(t, curve, rise.half_time, rise.width, rise.plateau)
    width = Estimate(WIDTH / growth.value, WIDTH / growth.high, WIDTH / growth.low)
    gamma = Estimate(*(rate / 8 for rate in growth))
    return ModeFit(rise.mode, half_time, width, plateau, growth, gamma, learned)
