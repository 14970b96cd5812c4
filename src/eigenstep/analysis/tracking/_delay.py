"""How much later or earlier than by its growth alone a mode reaches half of its plateau."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from eigenstep.analysis.tracking._estimate import Estimate
from eigenstep.analysis.tracking._growth import LEAST, Growth, measure_growth

# What is known of log(forecast / truth) before any mode of the run has risen: it is 0, an observation of this
# weight; and it scatters from mode to mode by this much, known as well as from so many observations. Measured
# on networks (docs/forecast.md), whose growth is rough.
WEIGHT, SCATTER, FREEDOM = 0.2, 0.4, 3.0
# A single observation counts for no more than this.
MOST = 1.5
# Depth below half of the plateau, in natural units, beyond which the scatter grows in proportion.
DEEP = 5.0
LATEST = 8


class Risen(NamedTuple):
    """A mode that has risen: its record, and what it came to."""

    times: np.ndarray
    eigenvalues: np.ndarray
    variances: np.ndarray | None
    plateau: float
    half_time: float


@dataclass(frozen=True)
class Delay:
    """log(forecast / truth) of the time that remains: its mean, standard deviation and degrees of freedom."""

    mean: float
    deviation: float
    freedom: float

    def remaining(self, growth: Growth, plateau_spread: float) -> Estimate:
        """The time that remains, corrected, with its interval.

        plateau_spread : standard deviation of the logarithm of the plateau
        """
        rate = growth.rate_error / max(growth.rate, 1e-300)
        depth = max(-growth.level, 0.5)
        deviation = np.sqrt(self.deviation**2 + rate**2 + (plateau_spread / depth) ** 2)
        reach = min(float(stdtrit(self.freedom, 0.95) * deviation), 50.0)
        middle = growth.time_to_half * float(np.exp(-self.mean))
        return Estimate(middle, middle * float(np.exp(-reach)), middle * float(np.exp(reach)))


def delay_of(growth: Growth, risen: Iterable[Risen]) -> Delay:
    """What forecasts for the modes that have risen, made at the same height, were wrong by.

    Where features strengthen while a mode is learned, growth is faster than exponential and forecasts come
    too late, by the same factor for all modes of a run; where modes compete, too early, by factors that
    scatter.
    """
    scatter = SCATTER * growth.unsteadiness * max(1.0, -growth.level / DEEP)
    latest = sorted(risen, key=lambda rise: rise.half_time)[-LATEST:]
    found = [lateness for rise in latest if (lateness := _lateness(rise, growth.level)) is not None]
    # The conjugate prior of a normal distribution of unknown mean and variance.
    count, average = len(found), float(np.mean(found)) if found else 0.0
    weight, freedom = WEIGHT + count, FREEDOM + count
    squares = FREEDOM * scatter**2 + np.var(found or [0.0]) * count + WEIGHT * count / weight * average**2
    deviation = np.sqrt(squares / freedom * (1 + 1 / weight))
    return Delay(average * count / weight, float(deviation), freedom)


def _lateness(rise: Risen, level: float) -> float | None:
    """log(forecast / truth) of the time that remained when the mode was last this high, None if unknown."""
    height = rise.plateau / (1 + np.exp(-min(level, -0.5)))
    below = np.flatnonzero((rise.times < rise.half_time) & (rise.eigenvalues < height))
    count = below[-1] + 2 if len(below) else 0
    if count <= LEAST or count > len(rise.times) or rise.times[count - 1] >= rise.half_time:
        return None
    variances = None if rise.variances is None else rise.variances[:count]
    growth = measure_growth(rise.times[:count], rise.eigenvalues[:count], rise.plateau, variances)
    if growth is None or growth.rate <= 0 or growth.level >= 0:
        return None
    lateness = np.log(growth.time_to_half / (rise.half_time - rise.times[count - 1]))
    return float(np.clip(lateness, -MOST, MOST))
