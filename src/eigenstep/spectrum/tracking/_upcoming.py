"""When the modes that have not risen will."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum.tracking._delay import Delay, Rise, delay_of
from eigenstep.spectrum.tracking._estimate import Estimate
from eigenstep.spectrum.tracking._fit import ModeFit
from eigenstep.spectrum.tracking._growth import Growth, measure_growth

# How many of the largest eigenvalues that are not learned may be the next mode.
CANDIDATES = 4
# A half-time is told if its interval is no longer than this share of it.
TOLD = 0.5
# And only if the mode is no deeper below half of its plateau than this, in natural units, for unsteady growth.
DEEPEST = 8.0
# And only if its growth is a straight line up to this, in natural units.
ROUGHEST = 0.3
# Standard deviation of the logarithm of a plateau that is guessed from the latest mode's, and from nothing.
FROM_LATEST, FROM_NOTHING = 0.4, 0.8


@dataclass(frozen=True)
class Upcoming:
    """A mode that has not risen yet.

    Attributes
    ----------
    mode : which
    growth : how it grows now, None if there are too few records
    half_time : when it will reach half of the plateau; the interval may be long, infinite where it does not grow
    plateau : the level that it is thought to reach
    """

    mode: int
    growth: Growth | None
    half_time: Estimate
    plateau: float
    plateau_spread: float

    @property
    def told(self) -> bool:
        """Whether the interval is short enough to be of use, and the plateau known well enough to be far."""
        if self.growth is None or not np.isfinite(self.half_time.high):
            return False
        value, low, high = self.half_time
        depth = -self.growth.level
        within_reach = 2 * self.plateau_spread <= depth <= DEEPEST / self.growth.unsteadiness
        return within_reach and self.growth.roughness <= ROUGHEST and high - low <= TOLD * value


def forecast_modes(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    fits: Sequence[ModeFit],
    *,
    variances: ArrayLike | None = None,
    plateau: float | None = None,
    first_plateau: float = 1.0,
) -> list[Upcoming]:
    """When the modes that have not risen will: those that can be told, the soonest first, then the largest.

    A mode's growth over its last two natural units is extrapolated, as the logistic that it is in the linear
    model, to half of its plateau. The time that remains is then corrected by what the same forecasts were wrong
    by for the modes of this run that have risen, made at the same height; their scatter makes the interval.

    Parameters
    ----------
    times : (T,), increasing
    eigenvalues : (T, d), of the modes, as `track_modes` gives them
    fits : the modes that have risen, `mode` being their column
    variances : (T, k), the probe batch's along the first k modes, NaN for those unknown
    plateau : the level that every mode reaches, where it is known; default: the latest mode's
    first_plateau : a guess of it while there is none

    >>> times = np.linspace(0, 4, 81)
    >>> curves = 1 / (1 + np.exp(-np.array([8.0, 4.0]) * (times[:, None] - np.array([2.0, 6.0]))))
    >>> from eigenstep.spectrum import find_rises
    >>> from eigenstep.spectrum.tracking import fit_mode
    >>> fits = [fit_mode(times, curves[:, rise.mode], rise) for rise in find_rises(times, curves)]
    >>> [(upcoming.mode, round(upcoming.half_time.value, 1)) for upcoming in forecast_modes(times, curves, fits)]
    [(1, 6.0)]
    """
    t, curves = np.asarray(times, float), np.asarray(eigenvalues, float)
    probe = np.full(curves.shape, np.nan) if variances is None else np.asarray(variances, float)
    if not len(t):
        return []
    risen = [
        Rise(t, curves[:, fit.mode], probe[:, fit.mode], fit.plateau.value, fit.half_time.value)
        for fit in fits
        if fit.learned
    ]
    latest = max(risen, key=lambda rise: rise.half_time, default=None)
    level = plateau or (latest.plateau if latest else first_plateau)
    spread = 0.0 if plateau else FROM_LATEST if latest else FROM_NOTHING
    done = {fit.mode for fit in fits}
    waiting = [mode for mode in np.argsort(-curves[-1], kind="stable") if mode not in done][:CANDIDATES]
    upcoming = [
        _upcoming(int(mode), t, curves[:, mode], probe[:, mode], level, spread, risen) for mode in waiting
    ]
    return sorted(upcoming, key=lambda mode: (not mode.told, mode.half_time.value if mode.told else 0.0))


def _upcoming(
    mode: int,
    t: np.ndarray,
    curve: np.ndarray,
    variances: np.ndarray,
    plateau: float,
    plateau_spread: float,
    risen: list[Rise],
) -> Upcoming:
    growth = measure_growth(t, curve, plateau, variances)
    if growth is None:
        return Upcoming(mode, None, Estimate(np.inf, -np.inf, np.inf), plateau, plateau_spread)
    delay = delay_of(growth, risen)
    now = float(t[-1])
    if growth.rate <= 0:
        return Upcoming(mode, growth, Estimate(np.inf, now + _soonest(growth, delay), np.inf), plateau, plateau_spread)
    remaining = delay.remaining(growth, plateau_spread)
    return Upcoming(mode, growth, Estimate(*(now + float(time) for time in remaining)), plateau, plateau_spread)


def _soonest(growth: Growth, delay: Delay) -> float:
    """The time that remains at the least for a mode that does not grow, from the error of its rate."""
    rate = growth.rate + 2 * growth.rate_error
    if rate <= 0:
        return np.inf
    return delay.remaining(Growth(growth.level, rate, 0.0, growth.roughness), 0.0).low
