"""Whether all embeddings have become one."""

import numpy as np

from eigenstep.spectrum.verdicts._signals import Signals

# The spread of directions, beside its peak: where they count as one, and from where on no longer.
FALLEN, RECOVERED = 0.1, 0.2
# Share of the variance in the squared norm below which lengths are one as well.
ONE_LENGTH = 0.01
# Spread of directions that never parted, over so many measurements.
NEVER_SPREAD, LONG = 0.05, 20
# Total variance, beside its peak and beside 1 a direction: where the spread of directions is known to hold,
# where it is not known, and where the loss has gone down with the variance.
SHRUNK, SHRUNK_UNKNOWN, SHRUNK_WITH_LOSS = 1e-4, 1e-3, 1e-2


def find_complete_collapse(signals: Signals, grows: bool) -> str | None:
    """How the measurements tell of a complete collapse, or None; `grows`: whether anything does.

    Directions alone do not tell: while an embedding that is not centred learns its first mode, all
    embeddings lie on one ray, at different lengths, and something grows.
    """
    spread, variance = signals.spread, signals.variance
    known = bool(np.isfinite(spread).all())
    if known:
        peak = _peak(spread)
        one_length = variance[-1] <= ONE_LENGTH * signals.size[-1]
        if _is_down(spread / peak, FALLEN, RECOVERED) and (one_length or not grows):
            return (
                f"all embeddings point in one direction (the root of 1 - mean cosine has fallen from"
                f" {peak[-1]:.2g} to {spread[-1]:.2g})"
            )
        if len(spread) >= LONG and not grows and (spread[-LONG:] < NEVER_SPREAD).all():
            return f"all embeddings point in one direction (mean cosine {1 - spread[-1] ** 2:.4f}), and stay so"
    peak = _peak(variance)
    least = SHRUNK if known else SHRUNK_UNKNOWN
    if _falls_with_variance(signals.loss, variance):
        least = SHRUNK_WITH_LOSS
    if _is_down(variance / peak, least, 4 * least) and variance[-1] <= least * signals.dim and not grows:
        return f"the variance of the embeddings has fallen from {peak[-1]:.2g} to {variance[-1]:.2g}"
    return None


def _peak(curve: np.ndarray) -> np.ndarray:
    """(T,), the largest value so far that is not one measurement's alone."""
    if len(curve) < 3:
        lasting = curve
    else:
        neighbours = np.stack([curve[:-2], curve[1:-1], curve[2:]])
        lasting = np.concatenate([curve[:1], np.median(neighbours, axis=0), curve[-1:]])
        lasting[-1] = min(curve[-1], curve[-2])
    return np.maximum(np.maximum.accumulate(lasting), np.finfo(float).tiny)


def _is_down(relative: np.ndarray, low: float, high: float) -> bool:
    """Whether a curve has fallen to `low` and not come back above `high` since."""
    down, up = np.flatnonzero(relative <= low), np.flatnonzero(relative > high)
    return bool(len(down) and (not len(up) or down[-1] > up[-1]))


def _falls_with_variance(loss: np.ndarray, variance: np.ndarray) -> bool:
    """Whether the loss goes to zero with the variance, by a root of ten or more in its last factor of ten."""
    before = np.flatnonzero(variance >= 10 * variance[-1])
    if not len(before) or not np.isfinite(loss).all() or loss.min() < 0:
        return False
    return bool(np.median(loss[-3:]) <= np.median(loss[max(before[-1] - 2, 0) : before[-1] + 1]) / 10**0.5)
