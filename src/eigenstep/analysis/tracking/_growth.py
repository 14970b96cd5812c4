"""How an eigenvalue that is still small grows, and how long until half of its plateau.

By its growth alone, and corrected by what that was wrong by for the modes of the run that have risen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from eigenstep.analysis._rises import running_median
from eigenstep.analysis.tracking._fit import Estimate

# Natural units of growth that are looked at, but no fewer records than this, among the latest.
GROWTH_LOOKED_AT, FEWEST_RECORDS, MOST_RECORDS = 2.0, 6, 400
# Relative drift between the batch's and the probe's growth up to which the probe, the less noisy, is used.
IN_STEP_DRIFT = 0.1
# Growth as rough as this, in natural units, is a network's; growth that is perfectly exponential keeps so.
NETWORKS_ROUGHNESS, LEAST_UNSTEADINESS = 0.03, 0.1

# What is known of log(forecast / truth) before any mode of the run has risen: it is 0, an observation of this
# weight; and it scatters from mode to mode by this much, known as well as from so many observations. Measured
# on networks (docs/forecast.md), whose growth is rough.
PRIOR_WEIGHT, PRIOR_SCATTER, PRIOR_FREEDOM = 0.2, 0.4, 3.0
# A single observation counts for no more than this.
MOST_LATENESS = 1.5
# Depth below half of the plateau, in natural units, beyond which the scatter grows in proportion.
SCATTER_GROWS_BELOW = 5.0
# How many of the latest modes that have risen are learned from.
MODES_LEARNED_FROM = 8


@dataclass(frozen=True)
class Growth:
    """Growth of z = log(eigenvalue / (plateau - eigenvalue)), a straight line for a logistic eigenvalue.

    Attributes
    ----------
    level : float
        z at the last record, 0 at half of the plateau.
    rate : float
        z', a unit of time.
    rate_error : float
        Its standard error.
    roughness : float
        Standard deviation of z about the line.
    """

    level: float
    rate: float
    rate_error: float
    roughness: float

    @property
    def unsteadiness(self) -> float:
        """From 0.1 for growth that is exponential to the digit, up to 1 for that of networks."""
        return float(np.clip(self.roughness / NETWORKS_ROUGHNESS, LEAST_UNSTEADINESS, 1.0))

    @property
    def time_to_half(self) -> float:
        """How long until half of the plateau at this rate."""
        return -self.level / self.rate if self.rate > 0 else np.inf


def measure_growth(
    times: np.ndarray, eigenvalues: np.ndarray, plateau: float, variances: np.ndarray | None = None
) -> Growth | None:
    """Fit a line to z over its last two natural units of growth; None if there are too few records.

    Parameters
    ----------
    times : np.ndarray
        (T,), increasing.
    eigenvalues : np.ndarray
        (T,), the mode's.
    plateau : float
        The level that it is thought to reach.
    variances : np.ndarray | None
        (T,), the probe batch's along the mode; they are not that of a minibatch, so they stand in for the
        eigenvalues where both grow in step.

    Examples
    --------
    >>> times = np.linspace(0, 2, 21)
    >>> growth = measure_growth(times, 1 / (1 + np.exp(-4 * (times - 3.0))), plateau=1.0)
    >>> round(growth.rate, 3), round(growth.time_to_half, 3)
    (4.0, 1.0)
    """
    recent = slice(-MOST_RECORDS, None)
    t, values = times[recent], eigenvalues[recent]
    probe = np.full(len(t), np.nan) if variances is None else variances[recent]
    usable = np.isfinite(values) & (values > 0)
    t, values, probe = t[usable], values[usable], probe[usable]
    if len(t) < FEWEST_RECORDS:
        return None
    z = _logit(values, plateau)
    below = np.flatnonzero(z < np.median(z[-3:]) - GROWTH_LOOKED_AT)
    first = min(below[-1] + 1 if len(below) else 0, len(z) - FEWEST_RECORDS)
    t, z, values, probe = t[first:] - t[-1], z[first:], values[first:], probe[first:]
    if t[0] == 0:
        return None
    growth = _line(t, z)
    if (probe > 0).all():
        offset = np.log(values / probe)
        drift = _line(t, offset)
        if abs(drift.rate) < IN_STEP_DRIFT * abs(growth.rate) + drift.rate_error:
            return _line(t, _logit(probe * np.exp(np.median(offset)), plateau))
    return growth


def _logit(values: np.ndarray, plateau: float) -> np.ndarray:
    share = np.clip(values / plateau, 1e-300, 1 - 1e-9)
    return running_median(np.log(share / (1 - share)))


def _line(t: np.ndarray, z: np.ndarray) -> Growth:
    design = np.column_stack([np.ones_like(t), t])
    (level, rate), *_ = np.linalg.lstsq(design, z, rcond=None)
    residual = z - design @ (level, rate)
    roughness = np.sqrt(residual @ residual / (len(t) - 2))
    error = roughness / np.sqrt(((t - t.mean()) ** 2).sum())
    return Growth(float(level), float(rate), float(error), float(roughness))


class Risen(NamedTuple):
    """A mode that has risen: its record, and what it came to.

    Examples
    --------
    >>> times = np.linspace(0, 4, 81)
    >>> rise = Risen(times, 1 / (1 + np.exp(-4 * (times - 2.0))), None, plateau=1.0, half_time=2.0)
    >>> float(np.interp(rise.half_time, rise.times, rise.eigenvalues))
    0.5
    """

    times: np.ndarray
    eigenvalues: np.ndarray
    variances: np.ndarray | None
    plateau: float
    half_time: float


@dataclass(frozen=True)
class Delay:
    """log(forecast / truth) of the time that remains: its mean, standard deviation and degrees of freedom.

    Examples
    --------
    >>> growth = Growth(level=-3.0, rate=2.0, rate_error=0.0, roughness=0.0)
    >>> delay = Delay(mean=np.log(1.5), deviation=0.1, freedom=4.0)  # earlier modes came sooner than foreseen
    >>> growth.time_to_half, [round(each, 2) for each in delay.remaining(growth, plateau_spread=0.0)]
    (1.5, [1.0, 0.81, 1.24])
    """

    mean: float
    deviation: float
    freedom: float

    def remaining(self, growth: Growth, plateau_spread: float) -> Estimate:
        """The time that remains, corrected, with its interval.

        Parameters
        ----------
        plateau_spread : float
            Standard deviation of the logarithm of the plateau.
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

    Examples
    --------
    >>> times = np.linspace(0, 4, 81)
    >>> risen = Risen(times, 1 / (1 + np.exp(-4 * (times - 2.0))), None, plateau=1.0, half_time=2.0)
    >>> growth = Growth(level=-3.0, rate=2.0, rate_error=0.0, roughness=0.0)
    >>> delay = delay_of(growth, [risen])
    >>> round(delay.mean, 3), delay.freedom
    (0.0, 4.0)
    """
    scatter = PRIOR_SCATTER * growth.unsteadiness * max(1.0, -growth.level / SCATTER_GROWS_BELOW)
    latest = sorted(risen, key=lambda rise: rise.half_time)[-MODES_LEARNED_FROM:]
    found = [lateness for rise in latest if (lateness := _lateness(rise, growth.level)) is not None]
    # The conjugate prior of a normal distribution of unknown mean and variance.
    count, average = len(found), float(np.mean(found)) if found else 0.0
    weight, freedom = PRIOR_WEIGHT + count, PRIOR_FREEDOM + count
    squares = (
        PRIOR_FREEDOM * scatter**2
        + np.var(found or [0.0]) * count
        + PRIOR_WEIGHT * count / weight * average**2
    )
    deviation = np.sqrt(squares / freedom * (1 + 1 / weight))
    return Delay(average * count / weight, float(deviation), freedom)


def _lateness(rise: Risen, level: float) -> float | None:
    """log(forecast / truth) of the time that remained when the mode was last this high, None if unknown."""
    height = rise.plateau / (1 + np.exp(-min(level, -0.5)))
    below = np.flatnonzero((rise.times < rise.half_time) & (rise.eigenvalues < height))
    count = below[-1] + 2 if len(below) else 0
    if count <= FEWEST_RECORDS or count > len(rise.times) or rise.times[count - 1] >= rise.half_time:
        return None
    variances = None if rise.variances is None else rise.variances[:count]
    growth = measure_growth(rise.times[:count], rise.eigenvalues[:count], rise.plateau, variances)
    if growth is None or growth.rate <= 0 or growth.level >= 0:
        return None
    lateness = np.log(growth.time_to_half / (rise.half_time - rise.times[count - 1]))
    return float(np.clip(lateness, -MOST_LATENESS, MOST_LATENESS))
