"""How an eigenvalue that is still small grows at the end of its record."""

from dataclasses import dataclass

import numpy as np

from eigenstep.analysis._rises import running_median

# Natural units of growth that are looked at, but no fewer records than this, among the latest.
SPAN, LEAST, LATEST = 2.0, 6, 400
# Relative drift between the batch's and the probe's growth up to which the probe, the less noisy, is used.
STEADY = 0.1
# Growth as rough as this, in natural units, is a network's; growth that is perfectly exponential keeps so.
ROUGH, SMOOTHEST = 0.03, 0.1


@dataclass(frozen=True)
class Growth:
    """Growth of z = log(eigenvalue / (plateau - eigenvalue)), a straight line for a logistic eigenvalue.

    Attributes
    ----------
    level : z at the last record, 0 at half of the plateau
    rate : z', a unit of time
    rate_error : its standard error
    roughness : standard deviation of z about the line
    """

    level: float
    rate: float
    rate_error: float
    roughness: float

    @property
    def unsteadiness(self) -> float:
        """From 0.1 for growth that is exponential to the digit, up to 1 for that of networks."""
        return float(np.clip(self.roughness / ROUGH, SMOOTHEST, 1.0))

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
    times : (T,), increasing
    eigenvalues : (T,), the mode's
    plateau : the level that it is thought to reach
    variances : (T,), the probe batch's along the mode; they are not that of a minibatch, so they stand in for
        the eigenvalues where both grow in step
    """
    recent = slice(-LATEST, None)
    t, values = times[recent], eigenvalues[recent]
    probe = np.full(len(t), np.nan) if variances is None else variances[recent]
    usable = np.isfinite(values) & (values > 0)
    t, values, probe = t[usable], values[usable], probe[usable]
    if len(t) < LEAST:
        return None
    z = _logit(values, plateau)
    below = np.flatnonzero(z < np.median(z[-3:]) - SPAN)
    first = min(below[-1] + 1 if len(below) else 0, len(z) - LEAST)
    t, z, values, probe = t[first:] - t[-1], z[first:], values[first:], probe[first:]
    if t[0] == 0:
        return None
    growth = _line(t, z)
    if (probe > 0).all():
        offset = np.log(values / probe)
        drift = _line(t, offset)
        if abs(drift.rate) < STEADY * abs(growth.rate) + drift.rate_error:
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
