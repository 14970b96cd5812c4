"""Whether all embeddings have become one and the same."""

import numpy as np

from eigenstep.spectrum.verdicts._signals import Signals

# Of its earlier peak, the spread of the embeddings' directions at which they count as one, and from which on
# they no longer do.
FALLEN, RECOVERED = 0.1, 0.2
# Share of the variance in the squared norm at which even the lengths are one.
NO_VARIANCE = 0.01
# The same for the total variance, beside its peak and beside 1 a direction, where the directions' spread is
# known to hold, and where it is not known.
SHRUNK, SHRUNK_UNKNOWN = 1e-4, 1e-3
# Directions that were one from the first measurement on, over this many.
NEVER_SPREAD, LONG = 0.05, 20


def find_complete_collapse(signals: Signals, grows: bool) -> str | None:
    """How the measurements tell of a complete collapse, or None."""
    if len(signals) < 2:
        return None
    spread, variance, size = signals.normalized_std, signals.variance, signals.size
    known = bool(np.isfinite(spread).all())
    share = variance[-1] / size[-1] if size[-1] > 0 else 0.0
    if known:
        peak = _peak(spread)
        if _is_down(spread / peak, FALLEN, RECOVERED) and (share < NO_VARIANCE or not grows):
            return (
                f"the embeddings point in one direction: the spread of their directions is {spread[-1]:.2g},"
                f" after {peak[-1]:.2g}"
            )
        if len(signals) >= LONG and not grows and (spread[-LONG:] < NEVER_SPREAD).all():
            return f"the embeddings point in one direction, with a spread of {spread[-1]:.2g}, and do not part"
    level = SHRUNK if known else SHRUNK_UNKNOWN
    peak = _peak(variance)
    fallen = _is_down(variance / peak, level, 4 * level)
    if fallen and variance[-1] < level * signals.dim and not grows:
        return f"the embeddings' variance has fallen from {peak[-1]:.2g} to {variance[-1]:.2g}"
    return None


def _peak(curve: np.ndarray) -> np.ndarray:
    """(T,), the largest value so far that was not one measurement's alone."""
    padded = np.concatenate([curve[:1], curve, curve[-1:]])
    middle = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    middle[-1] = curve[-1] if len(curve) < 3 else min(curve[-1], middle[-2])
    return np.maximum(np.maximum.accumulate(middle), np.finfo(float).tiny)


def _is_down(relative: np.ndarray, low: float, high: float) -> bool:
    """Whether a curve fell below `low` and has not come back above `high` since."""
    below, above = np.flatnonzero(relative <= low), np.flatnonzero(relative > high)
    return bool(len(below) and (not len(above) or below[-1] > above[-1]))
