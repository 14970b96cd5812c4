"""Whether all embeddings have become one."""

import numpy as np

from eigenstep.analysis.verdicts._dimensional_collapse import Dimensions
from eigenstep.analysis.verdicts._signals import Signals

# The spread of directions, beside its peak: where they count as one, and from where on no longer.
SPREAD_FALLEN, SPREAD_RECOVERED = 0.125, 0.25
# Growth of the variance across that direction since the first measurement, and since half of them: with more,
# embeddings grow from little, along their first mode faster than across it.
GROWS_ACROSS = 1.5
# Spread of directions that never parted, over so many measurements; where more than this share of the
# directions carry the variance, it is the mean that was far off all the time.
NEVER_SPREAD, NEVER_SPREAD_RECORDS, OFFSET_SHARE = 0.05, 20, 1 / 4
# Total variance, beside its peak and beside 1 a direction: where the spread of directions is known to hold,
# where it is not known, and where the loss has gone down with the variance.
VARIANCE_SHRUNK, VARIANCE_SHRUNK_ALONE, VARIANCE_SHRUNK_WITH_LOSS = 1e-4, 1e-3, 1e-2


def find_complete_collapse(signals: Signals, dimensions: Dimensions) -> str | None:
    """How the measurements tell of a complete collapse, or None; it is one only if nothing grows.

    While an embedding that is not centred learns its first mode, all embeddings lie on one ray.
    """
    spread, variance = signals.spread, signals.variance
    if not variance.any():
        return "all embeddings are equal" if len(variance) >= NEVER_SPREAD_RECORDS else None
    known = bool(np.isfinite(spread).all())
    if known:
        cosine = f"mean cosine {1 - spread[-1] ** 2:.4f}"
        peak = _peak(spread)
        across = signals.across
        still = across[-1] <= GROWS_ACROSS * min(across[0], across[len(across) // 2])
        if still and _is_down(spread / peak, SPREAD_FALLEN, SPREAD_RECOVERED):
            return f"all embeddings point in one direction ({cosine}, after {1 - peak[-1] ** 2:.2f})"
        few = dimensions.carrying <= OFFSET_SHARE * signals.rank_limit
        if (
            few
            and len(spread) >= NEVER_SPREAD_RECORDS
            and (spread[-NEVER_SPREAD_RECORDS:] < NEVER_SPREAD).all()
        ):
            return f"all embeddings point in one direction ({cosine}) and stay so"
    peak = _peak(variance)
    least = VARIANCE_SHRUNK if known else VARIANCE_SHRUNK_ALONE
    if _loss_falls_too(signals.last_loss, variance):
        least = VARIANCE_SHRUNK_WITH_LOSS
    if _is_down(variance / peak, least, 4 * least) and variance[-1] <= least * signals.dim:
        return f"the variance of the embeddings has fallen from {peak[-1]:.2g} to {variance[-1]:.2g}"
    return None


def _peak(curve: np.ndarray) -> np.ndarray:
    """(T,), the largest value so far that is not one measurement's alone."""
    lasting = curve.copy()
    if len(curve) >= 3:
        lasting[1:-1] = np.median(np.stack([curve[:-2], curve[1:-1], curve[2:]]), axis=0)
        lasting[-1] = curve[-2:].min()
    return np.maximum(np.maximum.accumulate(lasting), np.finfo(float).tiny)


def _is_down(relative: np.ndarray, low: float, high: float) -> bool:
    """Whether a curve has fallen to `low` and not come back above `high` since."""
    down, up = np.flatnonzero(relative <= low), np.flatnonzero(relative > high)
    return bool(len(down) and (not len(up) or down[-1] > up[-1]))


def _loss_falls_too(loss: np.ndarray, variance: np.ndarray) -> bool:
    """Whether the loss goes down with the variance: by root ten or more in its last factor of ten."""
    before = np.flatnonzero(variance >= 10 * variance[-1])
    if not len(before) or not np.isfinite(loss).all() or loss.min() < 0:
        return False
    earlier = loss[max(before[-1] - 2, 0) : before[-1] + 1]
    return bool(np.median(loss[-3:]) <= np.median(earlier) / 10**0.5)
