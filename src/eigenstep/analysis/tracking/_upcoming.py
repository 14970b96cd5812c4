"""When the modes that have not risen will."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis.tracking._fit import Estimate, ModeFit
from eigenstep.analysis.tracking._growth import Delay, Growth, Risen, delay_of, measure_growth

# How many of the largest eigenvalues that are not learned may be the next mode.
CANDIDATES = 4
# A half-time is told if its interval is no longer than this share of it.
TELLABLE_INTERVAL = 0.5
# And if the mode is no deeper below half of its plateau than this, in natural units, for unsteady growth,
TELLABLE_DEPTH = 8.0
# and if that growth is a straight line up to this.
TELLABLE_ROUGHNESS = 0.3
# Standard deviation of the logarithm of a plateau that is guessed from the latest mode's.
GUESSED_PLATEAU_SPREAD = 0.4


@dataclass(frozen=True)
class Upcoming:
    """A mode that has not risen yet.

    Attributes
    ----------
    mode : int
        Which.
    growth : Growth | None
        How it grows now, None if there are too few records.
    half_time : Estimate
        When it will reach half of the plateau; the interval may be long, and is infinite where the mode does
        not grow.
    plateau : float
        The level that it is thought to reach.
    plateau_spread : float
        Standard deviation of that level's logarithm.
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
        within_reach = 2 * self.plateau_spread <= depth <= TELLABLE_DEPTH / self.growth.unsteadiness
        return (
            within_reach
            and self.growth.roughness <= TELLABLE_ROUGHNESS
            and high - low <= TELLABLE_INTERVAL * value
        )


def forecast_modes(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    fits: Sequence[ModeFit],
    *,
    variances: ArrayLike | None = None,
    plateau: float | None = None,
    first_plateau: float = 1.0,
    first_spread: float = 0.8,
) -> list[Upcoming]:
    """When the modes that have not risen will: those that can be told, the soonest first, then the largest.

    A mode's growth over its last two natural units is extrapolated, as the logistic that it is in the linear
    model, to half of its plateau. The time that remains is then corrected by what the same forecasts were
    wrong by for the modes of this run that have risen, made at the same height; their scatter makes the
    interval.

    Parameters
    ----------
    times : ArrayLike
        (T,), increasing.
    eigenvalues : ArrayLike
        (T, d), of the modes, as `track_modes` gives them.
    fits : Sequence[ModeFit]
        The modes that have risen, `mode` being their column.
    variances : ArrayLike | None
        (T, k), the probe batch's along the first k modes, NaN for those unknown.
    plateau : float | None
        The level that every mode reaches, where it is known; default: the latest mode's.
    first_plateau, first_spread : float
        a guess of it while there is none, and its logarithm's standard deviation.

    Examples
    --------
    >>> times = np.linspace(0, 4, 81)
    >>> curves = 1 / (1 + np.exp(-np.array([8.0, 4.0]) * (times[:, None] - np.array([2.0, 6.0]))))
    >>> from eigenstep.analysis import find_rises, fit_mode
    >>> fits = [fit_mode(times, curves[:, rise.mode], rise) for rise in find_rises(times, curves)]
    >>> [(mode.mode, round(mode.half_time.value, 1)) for mode in forecast_modes(times, curves, fits)]
    [(1, 6.0)]
    """
    t, curves = np.asarray(times, float), np.asarray(eigenvalues, float)
    probe = np.full(curves.shape, np.nan) if variances is None else np.asarray(variances, float)
    if not len(t):
        return []
    risen = [
        Risen(t, curves[:, fit.mode], probe[:, fit.mode], fit.plateau.value, fit.half_time.value)
        for fit in fits
        if fit.learned
    ]
    latest = max(risen, key=lambda rise: rise.half_time, default=None)
    level = plateau or (latest.plateau if latest else first_plateau)
    spread = 0.0 if plateau else GUESSED_PLATEAU_SPREAD if latest else first_spread
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
    risen: list[Risen],
) -> Upcoming:
    growth = measure_growth(t, curve, plateau, variances)
    half_time = Estimate(np.inf, -np.inf, np.inf)
    if growth is not None:
        now, delay = float(t[-1]), delay_of(growth, risen)
        if growth.rate > 0:
            remaining = delay.remaining(growth, plateau_spread)
            half_time = Estimate(*(now + time for time in remaining))
        else:
            half_time = Estimate(np.inf, now + _soonest(growth, delay), np.inf)
    return Upcoming(mode, growth, half_time, plateau, plateau_spread)


def _soonest(growth: Growth, delay: Delay) -> float:
    """The time that remains at the least for a mode that does not grow, from the error of its rate."""
    rate = growth.rate + 2 * growth.rate_error
    if rate <= 0:
        return np.inf
    return delay.remaining(Growth(growth.level, rate, 0.0, growth.roughness), 0.0).low
