"""Whether the embedding has settled in few of its directions."""

import numpy as np

from eigenstep.analysis.verdicts._dimensions import NOTHING, Dimensions, count_below
from eigenstep.analysis.verdicts._growth import measure_growth
from eigenstep.analysis.verdicts._signals import Signals

# Shares of d: so few directions carry the variance, or so many are empty.
FEW, MANY = 1 / 10, 1 / 4
# What is left of the variance that the median other direction had at the start, where none has grown; or of
# the peak of the spread of directions.
SHRUNK, NARROWED = 0.25, 0.5
# Share of the time, and measurements in all, over which nothing has grown, where they have not.
STILL, LONG = 0.8, 40
# Measurements after which directions that were never there are missed.
MISSED = 5


def lacks_directions(signals: Signals) -> bool:
    """Whether a quarter of the directions has been missing from the first measurement on.

    A small initialisation makes all eigenvalues small, but no such difference between them.
    """
    if len(signals) < MISSED:
        return False
    ends, limit = signals.eigenvalues[[0, -1]], signals.rank_limit
    return min(count_below(NOTHING, eigenvalues, limit) for eigenvalues in ends) >= MANY * limit


def has_settled_in_few(signals: Signals, now: np.ndarray, dimensions: Dimensions) -> bool:
    """Whether few directions carry the variance for good, where nothing grows.

    A step of learning may be followed by a long wait for the next one. So either all other directions have
    lost variance since the start, or embeddings have drawn together, or nothing has grown for long.
    """
    if dimensions.carrying > FEW * signals.rank_limit and dimensions.empty < MANY * signals.rank_limit:
        return False
    start = np.maximum(signals.eigenvalues[:3].max(axis=0), np.finfo(float).tiny)
    left = (now / start)[dimensions.carrying : signals.rank_limit]
    has_shrunk = len(left) > 0 and np.median(left) <= SHRUNK and left.max() <= 1
    if has_shrunk or signals.spread[-1] <= NARROWED * signals.spread.max():
        return True
    return len(signals) >= LONG and not measure_growth(signals, (STILL,)).grows
