"""The verdict on a run, from its record or from arrays."""

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.spectrum._record import RunRecord
from eigenstep.spectrum.verdicts._complete_collapse import find_complete_collapse
from eigenstep.spectrum.verdicts._dimensions import FEW, NOTHING, carrying, empty
from eigenstep.spectrum.verdicts._explosion import find_explosion
from eigenstep.spectrum.verdicts._growth import Growth, measure_growth
from eigenstep.spectrum.verdicts._signals import Signals, gather_signals, signals_of
from eigenstep.spectrum.verdicts._verdict import Verdict

# Measurements needed to say that something grows, and that nothing does.
TO_GROW, TO_SETTLE = 5, 12
# How far back two measurements that agree are looked for.
LOOK_BACK = 10


def judge(record: RunRecord) -> Verdict:
    """What has become of a run's embedding, whether or not the run still goes on.

    See `judge_spectra`; measures that the record does not hold are done without.
    """
    signals = signals_of(record)
    if (record.summary or {}).get("state") == "diverged":
        numbers = {"records": float(len(signals))}
        return Verdict("exploding", "Exploding: the loss became infinite, and the run stopped.", numbers)
    return _judge(signals)


def judge_spectra(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    *,
    dim: int | None = None,
    rows: int | None = None,
    loss: ArrayLike | None = None,
    mean_norm: ArrayLike | None = None,
    normalized_std: ArrayLike | None = None,
) -> Verdict:
    """What has become of an embedding by its measurements so far.

    A state holds from the second measurement on that tells of it.

    Parameters
    ----------
    times : (T,), increasing
    eigenvalues : (T, k), of the embeddings' centred covariance, descending, all of them or the leading ones
    dim : dimension d of the embeddings; default: k
    rows : embeddings behind one measurement, where that may be less than d
    loss, mean_norm, normalized_std : (T,); `normalized_std` of embeddings scaled to unit length, times the
        root of d

    Raises ValueError if the shapes do not fit.

    >>> times = np.arange(40.0)
    >>> judge_spectra(times, np.exp(times - 80)[:, None] * [1, 1e-3]).state
    'growing'
    >>> judge_spectra(times, np.ones((40, 1)) * [1, 1e-9, 1e-9, 1e-9]).state
    'dimensional collapse'
    """
    return _judge(gather_signals(times, eigenvalues, dim, rows, loss, mean_norm, normalized_std))


def _judge(signals: Signals) -> Verdict:
    """The latest state that two measurements in a row tell of."""
    latest = later = _judge_last(signals)
    for end in range(len(signals) - 1, max(len(signals) - LOOK_BACK, 0), -1):
        earlier = _judge_last(signals.before(end))
        if earlier.state == later.state:
            return later
        later = earlier
    return latest if len(signals) > LOOK_BACK or not latest.alarm else later


def _judge_last(signals: Signals) -> Verdict:
    """What the last measurement tells, in the light of those before it."""
    numbers = {"records": float(len(signals)), "dim": float(signals.dim)}
    if how := find_explosion(signals):
        return Verdict("exploding", f"Exploding: {how}.", numbers)
    signals = signals.finite()
    if not len(signals):
        return Verdict("too early", "Too early to tell: nothing has been measured yet.", numbers)
    growth = measure_growth(signals)
    last = np.median(signals.eigenvalues[-3:], axis=0)
    count, nothing = carrying(last, signals), empty(last, signals)
    numbers |= {"variance": float(signals.variance[-1]), "directions": float(count), "empty": float(nothing)}
    numbers |= {"variance_growth": growth.variance, "directions_later": float(growth.directions)}
    numbers |= {"share_growth": growth.share, "loss_fall": growth.loss}
    if how := find_complete_collapse(signals, growth.grows):
        return Verdict("complete collapse", f"Complete collapse: {how}.", numbers)
    carried = f"{count} of {signals.dim} directions carry 99 % of the variance"
    if len(signals) >= TO_GROW and growth.grows and not _lacks_directions(signals):
        return Verdict("growing", f"Still growing: {carried}, and {_what_grows(growth)}.", numbers)
    if len(signals) < TO_SETTLE:
        return Verdict("too early", f"Too early to tell after {len(signals)} measurements.", numbers)
    limit = signals.rank_limit
    if count <= FEW * limit:
        return Verdict(
            "dimensional collapse", f"Dimensional collapse: {carried}, and no other one grows.", numbers
        )
    if nothing >= FEW * limit:
        sentence = f"Dimensional collapse: {nothing} of {signals.dim} directions are empty, and none of them grows."
        return Verdict("dimensional collapse", sentence, numbers)
    return Verdict("saturated", f"Saturated: {carried}, and nothing grows any more.", numbers)


def _lacks_directions(signals: Signals) -> bool:
    """Whether directions are empty to the last bit, from the first measurement on."""
    ends = (signals.eigenvalues[0], signals.eigenvalues[-1])
    return min(empty(each, signals, NOTHING) for each in ends) >= FEW * signals.rank_limit


def _what_grows(growth: Growth) -> str:
    if growth.variance > 2:
        return f"their variance grew {growth.variance:.2g}-fold over the last quarter of the time"
    if growth.direction is not None:
        return (
            f"the share of number {growth.direction + 1} grew {growth.share:.2g}-fold over the last quarter"
            " of the time"
        )
    if growth.loss > 0.05:
        return f"the last quarter of the time brought {growth.loss:.0%} of the fall of the loss"
    return f"{growth.directions} would if all go on as in the last quarter of the time"
