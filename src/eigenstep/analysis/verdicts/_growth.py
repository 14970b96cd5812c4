"""Whether an embedding still grows: its variance, the share of some direction in it, or the loss falls.

While embeddings that are not centred learn their first mode, they all point in one direction, and the
variance along it hides what grows across it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from eigenstep.analysis.verdicts._signals import ROUNDING, Signals

# The last half of the time is looked at, and its last quarter, in medians of so many pieces, of so many
# measurements at most.
RECENT_SHARES, PIECES, MOST_OF_A_PIECE, FEWEST_RECORDS = (0.5, 0.25), 16, 32, 4
# Growth over either that counts: of the variance, and of a direction's share; and of the loss's whole fall.
VARIANCE_GROWTH, SHARE_GROWTH, LOSS_FALL = 1.5, 1.25, 0.1
# Chance, by Student's t, of such a slope where there is none: of one curve, and of one of many.
CHANCE, CHANCE_OF_MANY = 1e-2, 1e-3


@dataclass(frozen=True)
class RecentGrowth:
    """What happened over the last part of the time.

    Attributes
    ----------
    window : float
        Which share of the time that is.
    variance, across : float
        Factors by which the total variance grew, and that across the mean direction.
    direction, share
        The direction (from 0) whose share in the variance surely grew, and by the largest factor of all; None
        and 1 if there is none.
    fall : float
        The fall of the loss, as a share of its whole fall.
    grows : bool
        Whether any of these counts.
    """

    window: float
    variance: float = 1.0
    across: float = 1.0
    direction: int | None = None
    share: float = 1.0
    fall: float = 0.0
    grows: bool = False


def recent_growth(signals: Signals, windows: tuple[float, ...] = RECENT_SHARES) -> RecentGrowth:
    """Growth over the first of the windows in which there is any, else over the first of them."""
    found = [_measure(signals, window) for window in windows]
    return next((growth for growth in found if growth.grows), found[0])


def _measure(signals: Signals, window: float) -> RecentGrowth:
    if len(signals) < FEWEST_RECORDS:
        return RecentGrowth(window)
    times = signals.times
    first = int(np.searchsorted(times, times[-1] - window * (times[-1] - times[0])))
    recent = signals.at(slice(min(first, len(signals) - FEWEST_RECORDS), None))
    curves = (recent.times, recent.eigenvalues, recent.across, recent.last_loss)
    t, eigenvalues, across, loss = (_pieces(curve) for curve in curves)
    logs = _log(eigenvalues)
    total = _log(eigenvalues.sum(axis=1, keepdims=True))
    variances, variances_grow = _change(
        t, np.hstack([total, _log(across)[:, None]]), np.log(VARIANCE_GROWTH), CHANCE
    )
    variance = variances[0]
    shares, shares_grow = _change(t, logs - total, np.log(SHARE_GROWTH), CHANCE_OF_MANY)
    # Where the variance shrinks, what shrinks less does not grow.
    shares_grow &= (shares + variance > 0) & (eigenvalues[-1] > ROUNDING * eigenvalues[-1, 0])
    direction = int(np.argmax(np.where(shares_grow, shares, -np.inf))) if shares_grow.any() else None
    fall, falls = _fall(t, loss, signals.last_loss)
    return RecentGrowth(
        window=window,
        variance=_factor(variance),
        across=_factor(variances[1]) if np.isfinite(variances[1]) else 1.0,
        direction=direction,
        share=1.0 if direction is None else _factor(shares[direction]),
        fall=fall,
        grows=bool(variances_grow.any()) or direction is not None or falls,
    )


def _pieces(curve: np.ndarray) -> np.ndarray:
    if len(curve) <= PIECES:
        return curve
    pieces = np.array_split(curve, PIECES)
    return np.stack([np.median(piece[:: -(-len(piece) // MOST_OF_A_PIECE)], axis=0) for piece in pieces])


def _change(
    times: np.ndarray, curves: np.ndarray, least: float, chance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each column's change along a straight line, and whether it is for sure one by `least` or more."""
    t = times - times.mean()
    if not t.any():
        t = np.arange(len(times)) - (len(times) - 1) / 2
    slopes = t @ curves / (t @ t)
    residuals = curves - curves.mean(axis=0) - np.outer(t, slopes)
    errors = np.sqrt((residuals**2).sum(axis=0) / (len(t) - 2) / (t @ t))
    change = slopes * (t[-1] - t[0])
    return change, (change >= least) & (slopes > stdtrit(len(t) - 2, 1 - chance) * errors)


def _fall(times: np.ndarray, recent: np.ndarray, loss: np.ndarray) -> tuple[float, bool]:
    whole = loss[:3].max() - loss.min() if np.isfinite(loss).all() else 0.0
    if not whole > 0:
        return 0.0, False
    change, falls = _change(times, -recent[:, None] / whole, LOSS_FALL, CHANCE)
    return float(change[0]), bool(falls[0])


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, np.finfo(float).tiny))


def _factor(change: float) -> float:
    return float(np.exp(np.clip(change, -700, 700)))
