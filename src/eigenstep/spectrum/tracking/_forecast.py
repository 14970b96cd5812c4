"""When the next mode will rise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from eigenstep.spectrum.tracking._estimate import Estimate

LEAST, SPAN = 6, 3.5


@dataclass(frozen=True)
class Forecast:
    """When the next mode will reach half of its plateau.

    Attributes
    ----------
    state : "expected", "none within the planned run" or "not yet to be told"
    mode : which track rises next, None if that cannot be told
    half_time, step : when, with its interval, as time and as step; None unless expected
    planned_time : when the run ends, None if that is not known
    sentence : all of it in words
    """

    state: str
    mode: int | None
    half_time: Estimate | None
    step: Estimate | None
    planned_time: float | None
    sentence: str


def forecast_mode(times: ArrayLike, eigenvalues: ArrayLike, plateau: float) -> Estimate | None:
    """When a mode that is still below half of its plateau will reach it; None if it does not grow.

    Extrapolates logit(eigenvalue / plateau), which is linear in time, from the last 3.5 natural units of
    growth, or from six records.
    """
    t, curve = np.asarray(times, float), np.asarray(eigenvalues, float)
    usable = np.isfinite(curve) & (curve > 0) & (curve < plateau)
    t, share = t[usable], curve[usable] / plateau
    if len(t) < LEAST:
        return None
    y = np.log(share / (1 - share))
    below = np.flatnonzero(y < np.median(y[-3:]) - SPAN)
    first = min(below[-1] + 1 if len(below) else 0, len(t) - LEAST)
    t, y = t[first:], y[first:]
    end, x = t[-1], t - t[-1]
    design = np.column_stack([np.ones_like(x), x])
    (level, slope), *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ (level, slope)
    variance = residual @ residual / (len(t) - 2)
    covariance = variance * np.linalg.inv(design.T @ design)
    wide = student.ppf(0.95, len(t) - 2)
    if slope <= 0:
        return None
    shift = -level / slope
    spread = (
        wide * np.sqrt(covariance[0, 0] + 2 * shift * covariance[0, 1] + shift**2 * covariance[1, 1]) / slope
    )
    return Estimate(float(end + shift), float(end + shift - spread), float(end + shift + spread))
