"""Where a loss stands between the values that it has by itself."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from eigenstep.analysis._landmark import CHANCE, CONSTANT, FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.record import RunRecord

# A loss stays on a value that its last so many measurements have to so many significant digits.
STAYS_FOR, STAYS_TO_DIGITS = 5, 4
# From this share of the way on a loss hardly falls any more, and nothing is wrong.
NEAR_THE_FLOOR = 0.8
# Where a way begins: the first of these that a loss has.
_STARTS = (CHANCE, NOTHING_LEARNED, CONSTANT)


@dataclass(frozen=True)
class LossStanding:
    """Where a loss stands.

    Attributes
    ----------
    value : float
        The last one that is finite.
    share : float | None
        How much of the way from the start to the floor it has come, 0 to 1, or beyond; None where one of them
        is not known.
    stays_on : Landmark | None
        The value that it has had over its last measurements, None where it moves.
    short : str
        In a few words, empty where there are none.
    sentence : str
        In a sentence without a full stop.
    """

    value: float
    share: float | None
    stays_on: Landmark | None
    short: str
    sentence: str


def loss_standing(record: RunRecord) -> LossStanding | None:
    """Where the loss of a run stands; None where the record has no loss, or none of its landmarks.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer = RecordWriter(tempfile.mkdtemp(), 2)
    >>> writer.write_landmarks("SimCLR", [("chance", 5.55, "all are alike"), ("floor", 0.35, "none is")])
    >>> writer.append(0, 0.0, {"cross_correlation": np.ones(2), "covariance": np.ones(2)}, loss=4.9)
    >>> loss_standing(read_record(writer.path)).sentence
    '4.90: 12 % of the way from chance, 5.55, to the floor, 0.35'
    """
    return place_loss(record.metrics.get("loss", np.zeros(0)), landmarks_of(record))


def landmarks_of(record: RunRecord) -> list[Landmark]:
    """What the run has written down of its loss; nothing of runs made before it was."""
    return [Landmark(*each) for each in record.landmarks]


def place_loss(losses: Iterable[float], landmarks: Sequence[Landmark]) -> LossStanding | None:
    """Where the last of a run's losses stands between the values that such a loss has by itself.

    Parameters
    ----------
    losses : Iterable[float]
        (T,), in the order of the measurements; those that are not finite are passed over.
    landmarks : Sequence[Landmark]
        As `landmarks` of a loss gives them.

    Returns
    -------
    LossStanding | None
        None without a finite loss or without landmarks.

    Examples
    --------
    >>> from eigenstep.analysis import Landmark
    >>> marks = [Landmark("chance", 5.545, "all are alike"), Landmark("floor", 3.57, "at right angles")]
    >>> place_loss([5.0, 4.2, 3.8], marks).sentence
    '3.80: 88 % of the way from chance, 5.54, to the floor, 3.57; that it hardly falls there is no fault'
    >>> place_loss([5.5451] * 5, marks).sentence
    '5.55: stays on chance, 5.545, to four digits: all are alike'
    """
    known = np.array(list(losses), dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known) or not landmarks:
        return None
    value = float(known[-1])
    by_name = {mark.name: mark for mark in reversed(landmarks)}
    start = next((by_name[name] for name in _STARTS if name in by_name), None)
    floor = by_name.get(FLOOR)
    stays_on = _stays_on(known[-STAYS_FOR:], landmarks)
    share = None
    if start and floor and start.value > floor.value:
        share = (start.value - value) / (start.value - floor.value)
    if stays_on:
        short = f"stays on {stays_on.name}"
        place = (
            f"stays on {stays_on.name}, {stays_on.value:.{STAYS_TO_DIGITS}g}, to four digits: {stays_on.says}"
        )
    else:
        short, place = _place(value, share, start, floor)
        if share is not None and share >= NEAR_THE_FLOOR and floor and _is_safe(floor, landmarks):
            place += "; that it hardly falls there is no fault"
    return LossStanding(value, share, stays_on, short, f"{_written(value)}: {place}")


def _place(
    value: float, share: float | None, start: Landmark | None, floor: Landmark | None
) -> tuple[str, str]:
    """In a few words, and at length."""
    if share is not None and start and floor:
        ends = f"{start.name}, {_written(start.value)}", f"the floor, {_written(floor.value)}"
        if not 0 <= share <= 1:
            beyond = f"above {start.name}" if share < 0 else "below the floor"
            return beyond, f"{beyond}; the way is from {ends[0]}, to {ends[1]}"
        way = f"{100 * share:.0f} %"
        return f"{way} from {start.name} to the floor", f"{way} of the way from {ends[0]}, to {ends[1]}"
    mark = start or floor
    if mark is None:
        return "", "no value is known from which its way begins"
    side = f"{_written(abs(value - mark.value))} {'above' if value > mark.value else 'below'} {mark.name}"
    return side, f"{side}, {_written(mark.value)}"


def _stays_on(latest: np.ndarray, landmarks: Sequence[Landmark]) -> Landmark | None:
    """The first landmark, other than the floor, that all of the latest losses have to four digits."""
    if len(latest) < STAYS_FOR:
        return None
    scale = max(abs(mark.value) for mark in landmarks) or 1.0
    for mark in landmarks:
        digit = 10.0 ** (math.floor(math.log10(abs(mark.value) or scale)) + 1 - STAYS_TO_DIGITS)
        if mark.name != FLOOR and (abs(latest - mark.value) <= digit / 2).all():
            return mark
    return None


def _is_safe(floor: Landmark, landmarks: Sequence[Landmark]) -> bool:
    """Whether none of the other states has about the floor's loss: then near it nothing is wrong."""
    span = max(mark.value for mark in landmarks) - floor.value
    others = (mark for mark in landmarks if mark.name != FLOOR)
    return all(mark.value - floor.value > (1 - NEAR_THE_FLOOR) * span for mark in others)


def _written(value: float) -> str:
    """Two decimals, fewer of large numbers and three digits of very small ones."""
    size = abs(value)
    if value and not 0.01 <= size < 1e5:
        return f"{value:.3g}"
    return f"{value + 0.0:.{2 if size < 10 else 1 if size < 100 else 0}f}"
