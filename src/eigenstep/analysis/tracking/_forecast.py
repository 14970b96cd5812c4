"""When the next mode will rise, in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eigenstep.analysis.tracking._fit import Estimate
from eigenstep.analysis.tracking._upcoming import Upcoming

State = Literal["expected", "none within the planned run", "not yet to be told"]
EXPECTED: State = "expected"
NONE: State = "none within the planned run"
UNKNOWN: State = "not yet to be told"
UNTOLD = "When the next mode will rise cannot be said yet: "
# An interval's end is not worth naming when it is this many times as late as its beginning.
ENDS_WORTH_NAMING = 10.0


@dataclass(frozen=True)
class Forecast:
    """When the next mode will reach half of its plateau.

    Attributes
    ----------
    state : State
        "expected", "none within the planned run" or "not yet to be told".
    mode : int | None
        Which track rises next, None if that cannot be told.
    half_time, step : Estimate | None
        When, with its interval, as time and as step; None where it cannot be told. With "none within the
        planned run" it is when the mode would come if the run went on.
    planned_time : float | None
        When the run ends, None if that is not known.
    sentence : str
        All of it in words.
    steps_more : float | None
        Of a run that has ended, how many more steps would have brought the mode to half of its plateau; None
        where that cannot be told, or the run goes on.
    """

    state: State
    mode: int | None
    half_time: Estimate | None
    step: Estimate | None
    planned_time: float | None
    sentence: str
    steps_more: float | None = None


def forecast_next(
    upcoming: Sequence[Upcoming],
    now: float,
    *,
    planned_time: float | None = None,
    rising: int | None = None,
    step_at: Callable[[float], float] | None = None,
) -> Forecast:
    """Put into words what `forecast_modes` found of the next mode.

    Parameters
    ----------
    upcoming : Sequence[Upcoming]
        The modes that have not risen, the soonest first.
    now : float
        The time of the last record, NaN if there is none.
    planned_time : float | None
        When the run ends, None if that is not known.
    rising : int | None
        a mode in the middle of its rise, if there is one: those after it may wait for it, so that their
        growth until now does not tell that they will not come.
    step_at : Callable[[float], float] | None
        The step at a time; default: time and step are the same.

    Examples
    --------
    >>> from eigenstep.analysis import Growth
    >>> mode = Upcoming(2, Growth(-4.6, 0.1, 0.0, 0.0), Estimate(146.0, 140.0, 152.0), 1.0, 0.0)
    >>> forecast_next([mode], 100.0, planned_time=300.0).sentence
    'Mode 3 is expected to reach half of its plateau at step 146 (140 to 152).'
    >>> forecast_next([mode], 100.0, planned_time=130.0).sentence
    'No further mode is expected by the planned end at step 130: mode 3 would come at step 146 (140 to 152).'
    >>> forecast_next([mode], 130.0, planned_time=130.0).steps_more
    16.0
    """
    words = _Words(step_at)
    end = "" if planned_time is None else words.at(planned_time)
    steps_more = None
    if np.isnan(now):
        return Forecast(UNKNOWN, None, None, None, planned_time, f"{UNTOLD}nothing is recorded.")
    if not upcoming and rising is not None:
        text = f"Mode {rising + 1} is rising; no eigenvalue is followed beyond it."
        return Forecast(UNKNOWN, None, None, None, planned_time, text)
    if not upcoming:
        text = "No further mode: every eigenvalue that is followed has been learned."
        return Forecast(NONE, None, None, None, planned_time, text)
    soonest = upcoming[0]
    name, half_time = f"mode {soonest.mode + 1}", soonest.half_time if soonest.told else None
    if planned_time is not None and now >= planned_time:
        state, text = NONE, f"No further mode: the planned run has ended at {end}"
        if half_time:
            steps_more = words.step_at(half_time.value) - words.step_at(now)
            text += f"; {name} would have come at {words.within(half_time)}, {words.more(steps_more)}"
        elif soonest.growth is not None and soonest.growth.rate > 0 and rising is None:
            text += f"; {words.growing(soonest)}"
        text += "."
    elif planned_time is not None and rising is None and _none_by(planned_time, upcoming):
        state, text = NONE, f"No further mode is expected by the planned end at {end}: "
        first = min(mode.half_time.low for mode in upcoming)
        if half_time:
            text += f"{name} would come at {words.within(half_time)}."
        elif np.isfinite(first):
            text += f"the next would come at {words.at(first)} at the earliest."
        else:
            text += "no eigenvalue that is not learned grows."
    elif half_time:
        state = EXPECTED
        text = f"{name.capitalize()} is expected to reach half of its plateau at {words.within(half_time)}"
        late = planned_time is not None and half_time.value > planned_time
        text += f", after the planned end at {end}." if late else "."
    else:
        state, text = UNKNOWN, UNTOLD + words.why(soonest)
    step = Estimate(*map(words.step_at, half_time)) if half_time else None
    return Forecast(state, soonest.mode, half_time, step, planned_time, text, steps_more)


def _none_by(time: float, upcoming: Sequence[Upcoming]) -> bool:
    return all(mode.half_time.low > time for mode in upcoming)


class _Words:
    """Times in words: as steps, and as t where that is another number."""

    def __init__(self, step_at: Callable[[float], float] | None) -> None:
        self.both = step_at is not None
        self.step_at = step_at or float

    def at(self, time: float) -> str:
        return f"step {self.step_at(time):,.0f}" + (f" (t = {time:.3g})" if self.both else "")

    def within(self, time: Estimate) -> str:
        value, low, high = (f"{self.step_at(end):,.0f}" for end in time)
        text = f"step {value} ({low} to {high})"
        if self.both:
            text += f", t = {time.value:.3g} ({time.low:.3g} to {time.high:.3g})"
        return text

    @staticmethod
    def more(steps: float) -> str:
        """How many more steps a run would take, to two digits: an interval is not much narrower."""
        digits = max(len(f"{steps:.0f}") - 2, 0)
        rounded = max(int(round(steps, -digits)), 1)
        return f"about {rounded:,} step{'s' * (rounded != 1)} more"

    def why(self, soonest: Upcoming) -> str:
        """Why the next mode cannot be told."""
        if soonest.growth is None:
            return "there are too few records."
        if soonest.growth.rate <= 0:
            return f"mode {soonest.mode + 1}, the largest that is not learned, does not grow at present."
        return f"by its growth until now, mode {soonest.mode + 1} may come at any time {self._span(soonest)}."

    def growing(self, soonest: Upcoming) -> str:
        """What a mode that still grew when the run ended might have done."""
        return f"mode {soonest.mode + 1} still grew, and might have come at any time {self._span(soonest)}"

    def _span(self, mode: Upcoming) -> str:
        _, first, last = mode.half_time
        told = first <= last <= ENDS_WORTH_NAMING * first
        return f"from {self.at(first)} to {self.at(last)}" if told else f"from {self.at(first)} on"
