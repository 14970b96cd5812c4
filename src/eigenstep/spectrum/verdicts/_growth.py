"""Whether anything still grows: the variance, some direction, the number of directions, or the loss falls."""

from dataclasses import dataclass

import numpy as np

from eigenstep.spectrum.verdicts._dimensions import NOTHING, carrying
from eigenstep.spectrum.verdicts._signals import Signals

# The last quarter of the time is looked at, in medians of this many pieces.
WINDOW, PIECES, FEWEST = 0.25, 16, 4
# Growth over the window that counts, of the whole variance and of one direction's share in it.
WHOLE, SHARE = 2.0, 1.25
# Fall of the loss over the window that counts, as a share of what it has fallen altogether.
FALL = 0.05
# Standard errors by which a change must differ from none.
SURE = 4.0


@dataclass(frozen=True)
class Growth:
    """What happened over the last quarter of the time.

    Attributes
    ----------
    variance : factor by which the total variance grew
    direction, share : the direction whose share in the variance grew fastest, by which factor; None if
        none grew by enough and for sure
    directions : how many directions would carry the variance if all went on so for as long as the run took
    loss : what share of its whole fall the loss fell
    """

    variance: float
    direction: int | None
    share: float
    directions: int
    loss: float
    grows: bool


def measure_growth(signals: Signals) -> Growth:
    """Growth over the last quarter of the time; of fewer than `FEWEST` measurements there is none."""
    if len(signals) < FEWEST:
        return Growth(1.0, None, 1.0, 0, 0.0, False)
    start = signals.times[-1] - WINDOW * (signals.times[-1] - signals.times[0])
    first = min(int(np.searchsorted(signals.times, start)), len(signals) - FEWEST)
    times, eigenvalues, loss = (
        _pieces(curve[first:]) for curve in (signals.times, signals.eigenvalues, signals.loss)
    )
    last = eigenvalues[-1]
    tiny = np.finfo(float).tiny
    variance = eigenvalues.sum(axis=1, keepdims=True)
    whole, whole_error = _change(times, np.log(np.maximum(variance, tiny)))
    shares, errors = _change(times, np.log(np.maximum(eigenvalues, tiny) / np.maximum(variance, tiny)))
    alive = last > NOTHING * last[0]
    sure = alive & (shares > np.log(SHARE)) & (shares > SURE * errors)
    direction = int(np.argmax(np.where(sure, shares, -np.inf))) if sure.any() else None
    whole_grows = bool(whole[0] > np.log(WHOLE) and whole[0] > SURE * whole_error[0])

    going_on = last * np.exp(np.clip(np.where(alive, shares, 0) / WINDOW, -50, 50))
    later = carrying(np.minimum(going_on, last[0]), signals)
    more = later >= 1.2 * carrying(last, signals) + 1

    fallen, falls = 0.0, False
    if np.isfinite(loss).all():
        change, error = _change(times, loss[:, None])
        all_of_it = np.nanmax(signals.loss[:3]) - np.nanmin(signals.loss)
        if all_of_it > 0:
            fallen = float(-change[0] / all_of_it)
            falls = fallen > FALL and -change[0] > SURE * error[0]
    return Growth(
        variance=float(np.exp(np.clip(whole[0], -700, 700))),
        direction=direction,
        share=float(np.exp(min(shares[direction], 700))) if direction is not None else 1.0,
        directions=later,
        loss=fallen,
        grows=whole_grows or direction is not None or more or falls,
    )


def _pieces(curve: np.ndarray) -> np.ndarray:
    """Medians of consecutive pieces; of a piece that holds no number, NaN."""
    if len(curve) <= PIECES:
        return curve
    return np.stack([np.median(piece, axis=0) for piece in np.array_split(curve, PIECES)])


def _change(times: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change of each column from the first time to the last by a straight line, and its standard error."""
    t = times - times.mean()
    if not t.any():
        t = np.arange(len(times)) - (len(times) - 1) / 2
    slopes = t @ curves / (t @ t)
    residuals = curves - curves.mean(axis=0) - np.outer(t, slopes)
    errors = np.sqrt((residuals**2).sum(axis=0) / (len(t) - 2) / (t @ t))
    span = t[-1] - t[0]
    return slopes * span, errors * span
