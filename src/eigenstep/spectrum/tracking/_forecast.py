"""When the next mode will rise, in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eigenstep.spectrum.tracking._estimate import Estimate
from eigenstep.spectrum.tracking._upcoming import Upcoming

State = Literal["expected", "none within the planned run", "not yet to be told"]
EXPECTED: State = "expected"
NONE: State = "none within the planned run"
UNKNOWN: State = "not yet to be told"


@dataclass(frozen=True)
class Forecast:
    """When the next mode will reach half of its plateau.

    Attributes
    ----------
    state : "expected", "none within the planned run" or "not yet to be told"
    mode : which track rises next, None if that cannot be told
    half_time, step : when, with its interval, as time and as step; None where it cannot be told. With "none
        within the planned run" it is when the mode would come if the run went on
    planned_time : when the run ends, None if that is not known
    sentence : all of it in words
    """

    state: State
    mode: int | None
    half_time: Estimate | None
    step: Estimate | None
    planned_time: float | None
    sentence: str


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
    upcoming : the modes that have not risen, the soonest first
    now : the time of the last record, NaN if there is none
    planned_time : when the run ends, None if that is not known
    rising : a mode in the middle of its rise, if there is one: those after it may wait for it, so that their
        growth until now does not tell that they will not come
    step_at : the step at a time; default: time and step are the same

    >>> from eigenstep.spectrum.tracking._growth import Growth
    >>> mode = Upcoming(2, Growth(-4.6, 0.1, 0.0, 0.0), Estimate(146.0, 140.0, 152.0), plateau=1.0)
    >>> forecast_next([mode], 100.0, planned_time=300.0).sentence
    'Mode 3 is expected to reach half of its plateau at step 146 (140 to 152).'
    >>> forecast_next([mode], 100.0, planned_time=130.0).sentence
    'No further mode is expected by the planned end at step 130: mode 3 would come at step 146 (140 to 152).'
    """
    steps = step_at or (lambda time: time)
    end = "" if planned_time is None else _when(planned_time, steps, step_at)
    if np.isnan(now):
        return _unknown(planned_time, "When the next mode will rise is not yet to be told: nothing is recorded.")
    if not upcoming:
        if rising is not None:
            return _unknown(planned_time, f"Mode {rising + 1} is rising; there are no eigenvalues beyond it.")
        return Forecast(NONE, None, None, None, planned_time, "All modes have been learned.")
    soonest = upcoming[0]
    half_time = soonest.half_time if soonest.told else None
    step = Estimate(*(steps(time) for time in half_time)) if half_time else None
    name = f"mode {soonest.mode + 1}"
    if planned_time is not None and now >= planned_time:
        text = f"No further mode: the planned run has ended at {end}."
        if half_time:
            text = f"{text[:-1]}; {name} would have come at {_range(half_time, steps, step_at)}."
        return Forecast(NONE, soonest.mode, half_time, step, planned_time, text)
    if planned_time is not None and rising is None and all(u.half_time.low > planned_time for u in upcoming):
        text = f"No further mode is expected by the planned end at {end}: "
        if half_time:
            text += f"{name} would come at {_range(half_time, steps, step_at)}."
        elif np.isfinite(first := min(u.half_time.low for u in upcoming)):
            text += f"the next would come at {_when(first, steps, step_at)} at the earliest."
        else:
            text += "no eigenvalue that is not learned grows."
        return Forecast(NONE, soonest.mode, half_time, step, planned_time, text)
    if half_time is None:
        return _unknown(planned_time, _why(soonest, steps, step_at), soonest.mode)
    text = (
        f"{name.capitalize()} is expected to reach half of its plateau at {_range(half_time, steps, step_at)}"
    )
    if planned_time is not None and half_time.value > planned_time:
        text += f", after the planned end at {end}"
    return Forecast(EXPECTED, soonest.mode, half_time, step, planned_time, f"{text}.")


def _unknown(planned_time: float | None, text: str, mode: int | None = None) -> Forecast:
    return Forecast(UNKNOWN, mode, None, None, planned_time, text)


def _why(soonest: Upcoming, steps: Callable[[float], float], step_at: Callable | None) -> str:
    start = "When the next mode will rise is not yet to be told: "
    if soonest.growth is None:
        return f"{start}there are too few records."
    if soonest.growth.rate <= 0:
        return f"{start}no eigenvalue that is not learned grows at present."
    first, last = soonest.half_time.low, soonest.half_time.high
    return (
        f"{start}by its growth until now, mode {soonest.mode + 1} may come anywhere from "
        f"{_when(first, steps, step_at)} to {_when(last, steps, step_at)}."
    )


def _when(time: float, steps: Callable[[float], float], step_at: Callable | None) -> str:
    return f"step {steps(time):,.0f}" + (f" (t = {time:.3g})" if step_at else "")


def _range(half_time: Estimate, steps: Callable[[float], float], step_at: Callable | None) -> str:
    value, low, high = (f"{steps(time):,.0f}" for time in half_time)
    text = f"step {value} ({low} to {high})"
    if step_at:
        text += f", t = {half_time.value:.3g} ({half_time.low:.3g} to {half_time.high:.3g})"
    return text
