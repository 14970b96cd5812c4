"""At which step, and after how many seconds, a run had learned its first, second, ... mode."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.analysis._learned import learned_rises
from eigenstep.analysis._rises import Rise
from eigenstep.record import RunRecord, StepClock


@dataclass(frozen=True, eq=False)
class ModeSteps:
    """When a run had learned so many modes, whichever they were.

    Attributes
    ----------
    steps : NDArray[np.float64]
        (K,), ascending: the step at which the k-th of the K modes that it learned reached half of its level.
    seconds : NDArray[np.float64] | None
        (K,) of training until then; None where the record does not tell.
    """

    steps: NDArray[np.float64]
    seconds: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.steps)

    def step(self, modes: int) -> float | None:
        """Until `modes` modes had been learned; None if they never were."""
        return float(self.steps[modes - 1]) if 1 <= modes <= len(self) else None

    def second(self, modes: int) -> float | None:
        """Likewise, in seconds."""
        if self.seconds is None or not 1 <= modes <= len(self):
            return None
        return float(self.seconds[modes - 1])


def mode_steps(record: RunRecord, rises: list[Rise] | None = None) -> ModeSteps:
    """When a run had learned so many modes, by its record.

    Seconds are those of the processes that trained: of a run that was resumed they are added up, without what
    passed between its last measurement and its end.

    Parameters
    ----------
    rises : list[Rise] | None
        What `learned_rises` found, where that is known already.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter, read_record
    >>> writer, times = RecordWriter(tempfile.mkdtemp(), 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.5])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> found = mode_steps(read_record(writer.path))
    >>> found.steps.round(), found.step(3)
    (array([20., 50.]), None)
    """
    rises = learned_rises(record) if rises is None else rises
    clock = StepClock.of(record) if rises else StepClock([], [])
    steps = np.array([clock(time) for time in sorted(rise.half_time for rise in rises)], dtype=np.float64)
    return ModeSteps(steps, _seconds_at(record, steps))


def _seconds_at(record: RunRecord, steps: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if not {"step", "seconds"} <= set(record.timings):
        return None
    known = np.isfinite(record.timings["seconds"])
    at, seconds = record.timings["step"][known], record.timings["seconds"][known]
    if not len(at) or (len(steps) and steps[-1] > at[-1]):
        return None
    passed = np.diff(seconds, prepend=0.0)
    passed[passed < 0] = seconds[passed < 0]  # another process went on, and its clock began at 0
    found: NDArray[np.float64] = np.interp(steps, at, np.cumsum(passed))
    return found


def modes_told(first: int, second: int, most: int) -> list[int]:
    """The numbers of modes at which two runs are held against each other: 1, 2, 4, 8, ... and all in common.

    Parameters
    ----------
    first, second : int
        How many each has learned. Where neither has learned any, the powers of two up to `most` are told.

    Examples
    --------
    >>> modes_told(3, 11, 15), modes_told(0, 0, 15)
    ([1, 2, 3, 4, 8], [1, 2, 4, 8])
    """
    end = max(first, second) or most
    powers = {2**power for power in range(max(end, 0).bit_length()) if 2**power <= end}
    return sorted(powers | ({min(first, second)} - {0}))


def sooner(first: float | None, second: float | None) -> float | None:
    """How many times sooner the second came; None where one of them never did, or is 0.

    Examples
    --------
    >>> sooner(620, 70).__round__(1), sooner(None, 70)
    (8.9, None)
    """
    return None if first is None or not second else first / second


def steps_in_words(first: float | None, second: float | None, digits: int = 0) -> str:
    """Two steps, or two times in seconds, as a reader compares them.

    Examples
    --------
    >>> steps_in_words(620.3, 70), steps_in_words(None, 70), steps_in_words(12.34, 2.0, digits=1)
    ('620 → 70', '– → 70', '12.3 → 2.0')
    """

    def written(value: float | None) -> str:
        return "–" if value is None else f"{value:.{digits if value < 100 else 0}f}"

    return f"{written(first)} → {written(second)}"


def sooner_in_words(factor: float | None) -> str:
    """How many times sooner, see `sooner`.

    Examples
    --------
    >>> sooner_in_words(8.857), sooner_in_words(120.4), sooner_in_words(None)
    ('8.9×', '120×', '–')
    """
    return "–" if factor is None else f"{factor:.{1 if factor < 99.5 else 0}f}×"
