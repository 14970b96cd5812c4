"""When a run is planned to end, and which step is at which time."""

from typing import Any

import numpy as np

from eigenstep.record import RunRecord, StepClock

# Points at which a schedule is followed to its end.
SCHEDULE_POINTS = 1000


class RunClock:
    """Steps and times of a run, beyond its record too: as its schedule says, or at its latest rate.

    Attributes
    ----------
    step_at
        The step at a time; after the end of a run at its last rate, or at the mean one where its schedule
        ends at zero.
    planned_time : float | None
        When the run is to end, or has ended; None if its record does not say.
    """

    def __init__(self, record: RunRecord, planned_time: float | None = None) -> None:
        rows = record.eigenvalues
        known = record.metrics if rows is None or not len(rows) else rows
        step, time = (
            np.asarray(known[name], float) if len(known) else np.zeros(0) for name in ("step", "time")
        )
        rate = _latest_rate(record, step, time)
        planned, latest = _planned_steps(record.config), step[-1] if len(step) else np.inf
        over = record.summary is not None or (planned is not None and planned <= latest)
        if over and _is_cosine(record.config) and len(step) and step[-1] > 0:
            rate = float(time[-1] / step[-1])  # the schedule's last rates are next to nothing
        if planned is not None and planned > latest:
            ahead = np.linspace(latest, planned, min(planned - int(latest), SCHEDULE_POINTS) + 1)
            rates = _rates(record.config, ahead, planned, rate)
            passed = np.cumsum((rates[1:] + rates[:-1]) / 2 * np.diff(ahead))
            step, time = np.append(step, ahead[1:]), np.append(time, time[-1] + passed)
        self.step_at = StepClock(step, time, rate)
        if planned_time is None and len(step) and (planned is not None or record.summary is not None):
            end = latest if planned is None or record.summary is not None else planned
            planned_time = float(np.interp(end, step, time))
        self.planned_time = planned_time


def _planned_steps(config: dict[str, Any]) -> int | None:
    monitor = config.get("monitor")
    found = monitor.get("planned_steps") if isinstance(monitor, dict) else config.get("steps")
    return int(found) if isinstance(found, int | float) and found > 0 else None


def _latest_rate(record: RunRecord, step: np.ndarray, time: np.ndarray) -> float:
    """Time a step, at the end of the record."""
    if len(step) > 1 and time[-1] > time[-2] and step[-1] > step[-2]:
        return float((time[-1] - time[-2]) / (step[-1] - step[-2]))
    rates = record.metrics.get("learning_rate", np.zeros(0))
    rates = rates[np.isfinite(rates) & (rates > 0)]
    return float(rates[-1]) if len(rates) else 1.0


def _is_cosine(config: dict[str, Any]) -> bool:
    optimizer = config.get("optimizer")
    return isinstance(optimizer, dict) and optimizer.get("schedule") == "cosine"


def _rates(config: dict[str, Any], steps: np.ndarray, planned: int, latest: float) -> np.ndarray:
    """Learning rates at steps from the present on: half a cosine to zero if the configuration names it."""
    if not _is_cosine(config):
        return np.full(len(steps), latest)
    schedule = config["optimizer"]
    warmup = int(schedule.get("warmup_steps") or 0)
    height = 1 + np.cos(np.pi * np.clip((steps - warmup) / max(planned - warmup, 1), 0, 1))
    return latest * height / max(height[0], 1e-12)
