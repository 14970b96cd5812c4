"""The verdict on a run, by its record or by arrays."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.analysis.verdicts._complete_collapse import find_complete_collapse
from eigenstep.analysis.verdicts._dimensional_collapse import (
    SPREAD_NARROWED,
    count_directions,
    has_settled_in_few,
    lacks_directions,
)
from eigenstep.analysis.verdicts._explosion import find_explosion
from eigenstep.analysis.verdicts._growth import RECENT_SHARES, VARIANCE_GROWTH, RecentGrowth, recent_growth
from eigenstep.analysis.verdicts._signals import Signals, signals_of, signals_of_record
from eigenstep.record import RunRecord

# Measurements needed to say that something grows, that few directions are left, that nothing grows.
RECORDS_TO_GROW, RECORDS_TO_COLLAPSE, RECORDS_TO_SETTLE = 5, 8, 20
# Share of the largest variance below which it is worth a word.
VARIANCE_WANED = 0.1
# How many measurements back two that agree are looked for.
LOOK_BACK = 10

STATES = (
    "too early",
    "growing",
    "saturated",
    "dimensional collapse",
    "complete collapse",
    "exploding",
)
ALARMS = STATES[3:]
_MORE_TO_SAY = (*reversed(ALARMS), "growing", "too early", "saturated")


@dataclass(frozen=True)
class Verdict:
    """What has become of an embedding.

    Attributes
    ----------
    state : str
        One of `STATES`; of a single moment "full" or one of the two collapses.
    sentence : str
        The same in plain words, with the numbers that matter most.
    evidence : dict[str, float]
        The numbers behind it by name, each finite; docs/verdicts.md says what they are.
    """

    state: str
    sentence: str
    evidence: dict[str, float]

    @property
    def alarm(self) -> bool:
        """Whether something has gone wrong."""
        return self.state in ALARMS


def judge(record: RunRecord) -> Verdict:
    """What has become of the embedding of a run, whether or not the run goes on.

    As `judge_spectra`; measures that the record lacks are done without. Of two encoders the verdict is that
    on the one of which there is more to be said, the worse one first.
    """
    if record.is_rectangular:
        sides = [_judge_record(record, side) for side in ("_a", "_b")]
        worst = min(range(2), key=lambda side: _MORE_TO_SAY.index(sides[side].state))
        said = sides[worst].sentence
        sentence = f"{('First', 'Second')[worst]} encoder: {said[0].lower()}{said[1:]}"
        return replace(sides[worst], sentence=sentence)
    return _judge_record(record)


def _judge_record(record: RunRecord, side: str = "") -> Verdict:
    signals = signals_of_record(record, side)
    if signals is None:
        return Verdict("too early", "Too early to tell: nothing has been measured yet.", {"records": 0.0})
    if (record.summary or {}).get("state") == "diverged":
        return Verdict(
            "exploding", "Exploding: the loss became infinite, and the run stopped.", _numbers(signals)
        )
    return _judge(signals)


def judge_spectra(
    times: ArrayLike,
    eigenvalues: ArrayLike,
    *,
    dim: int | None = None,
    rows: int | None = None,
    loss: ArrayLike | None = None,
    mean_norm: ArrayLike | None = None,
    cosine_concentration: ArrayLike | None = None,
) -> Verdict:
    """What has become of an embedding by its measurements so far.

    A state holds once two measurements in a row tell of it. docs/verdicts.md has the thresholds.

    Parameters
    ----------
    times : ArrayLike
        (T,), increasing: sums of learning rates, or steps.
    eigenvalues : ArrayLike
        (T, k), of the embeddings' centred covariance, descending; all of them or the leading ones.
    dim : int | None
        Dimension d of the embeddings; default: k.
    rows : int | None
        Embeddings behind one measurement, where they may be fewer than d.
    loss, mean_norm, cosine_concentration : ArrayLike | None
        (T,), as the measures of these names; without them collapse and explosion are told from the
        eigenvalues alone, and later.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> times = np.arange(40.0)
    >>> judge_spectra(times, np.exp(times - 80)[:, None] * [1, 1e-3]).state
    'growing'
    >>> judge_spectra(np.arange(60.0), np.ones((60, 1)) * [1, 1e-9, 1e-9, 1e-9]).state
    'dimensional collapse'
    """
    signals = signals_of(times, eigenvalues, dim, rows, loss, mean_norm, cosine_concentration)
    return _judge(signals)


def _judge(signals: Signals) -> Verdict:
    """The latest state that two measurements in a row tell of."""
    later = _judge_last(signals)
    for end in range(len(signals) - 1, max(len(signals) - LOOK_BACK, 0), -1):
        earlier = _judge_last(signals.at(slice(end)))
        if earlier.state == later.state:
            return later
        later = earlier
    return later


def _judge_last(signals: Signals) -> Verdict:
    """What the last measurement tells in the light of those before it."""
    numbers = _numbers(signals)
    if not len(signals):
        return Verdict("too early", "Too early to tell: nothing has been measured yet.", numbers)
    if how := find_explosion(signals):
        return Verdict("exploding", f"Exploding: {how}.", numbers)
    signals = signals.known()
    now = np.median(signals.eigenvalues[-3:], axis=0)
    growth = recent_growth(signals)
    dimensions = count_directions(now, signals.dim, signals.rank_limit)
    numbers |= dimensions.evidence | {
        "variance_growth": growth.variance,
        "share_growth": growth.share,
        "loss_fall": growth.fall,
    }
    if not growth.grows and (how := find_complete_collapse(signals, dimensions)):
        return Verdict("complete collapse", f"Complete collapse: {how}.", numbers)
    if lacks_directions(signals):
        sentence = f"Dimensional collapse: {dimensions}, and {dimensions.empty} were empty from the start."
        return Verdict("dimensional collapse", sentence, numbers)
    if growth.grows and len(signals) >= RECORDS_TO_GROW:
        sentence = f"Still growing: {dimensions}, and {_what_grows(growth)}{_caution(signals)}."
        return Verdict("growing", sentence, numbers)
    if (
        len(signals) >= RECORDS_TO_COLLAPSE
        and not growth.grows
        and has_settled_in_few(signals, now, dimensions)
    ):
        sentence = f"Dimensional collapse: {dimensions}, and nothing grows any more."
        return Verdict("dimensional collapse", sentence, numbers)
    if len(signals) < RECORDS_TO_SETTLE:
        return Verdict(
            "too early", f"Too early to tell: {dimensions} at measurement {len(signals)}.", numbers
        )
    sentence = f"Saturated: {dimensions}, and nothing has grown of late{_caution(signals)}."
    return Verdict("saturated", sentence, numbers)


def _numbers(signals: Signals) -> dict[str, float]:
    """What is known of the last measurement."""
    numbers = {"records": float(len(signals)), "dim": float(signals.dim)}
    if len(signals):
        last = {
            "variance": signals.variance[-1],
            "mean_norm": signals.mean_norm[-1],
            "spread": signals.spread[-1],
            "loss": signals.loss[-1],
        }
        numbers |= {name: float(value) for name, value in last.items() if np.isfinite(value)}
    return numbers


def _what_grows(growth: RecentGrowth) -> str:
    since = f"over the last {'half' if growth.window == RECENT_SHARES[0] else 'quarter'} of the time"
    if growth.variance >= VARIANCE_GROWTH:
        return f"the variance grew {_fold(growth.variance)} {since}"
    if growth.across >= VARIANCE_GROWTH:
        return f"the variance across the mean direction grew {_fold(growth.across)} {since}"
    if growth.direction is not None:
        return f"the share of number {growth.direction + 1} grew {_fold(growth.share)} {since}"
    return f"{growth.fall:.0%} of the whole fall of the loss came {since}"


def _fold(factor: float) -> str:
    if factor >= 1000:
        return "more than 1,000-fold"
    return f"{factor:.0f}-fold" if factor >= 10 else f"{factor:.1f}-fold"


def _caution(signals: Signals) -> str:
    """What may become a collapse."""
    spread, variance = signals.spread, signals.variance
    parts = ""
    if spread[-1] <= SPREAD_NARROWED * spread.max():
        parts += f"; embeddings have drawn together (mean cosine {1 - spread[-1] ** 2:.2f})"
    if variance[-1] <= VARIANCE_WANED * variance.max():
        parts += f"; their variance has fallen to {variance[-1] / variance.max():.1%} of its largest"
    return parts
