"""Predicted times of a comparison's prediction beside its run's measured ones."""

import numpy as np
from numpy.typing import NDArray

from eigenstep.analysis import TimeComparison, compare_times
from eigenstep.comparison._inputs import Input
from eigenstep.comparison._result import Times
from eigenstep.prediction import measured_mode_times, measured_times, read_predicted
from eigenstep.record import read_record


def predicted_times(first: Input, second: Input) -> Times | None:
    """Of a prediction and a run under the same loss; None of any other two inputs."""
    kinds = {each.kind: each for each in (first, second)}
    if set(kinds) != {"prediction", "run"}:
        return None
    predicted, record = read_record(kinds["prediction"].path), read_record(kinds["run"].path)
    if predicted.config.get("loss") != record.config.get("loss"):
        return None  # each loss has a time scale of its own
    entries = predicted.prediction or {}
    half_times = np.array(entries["half_times"], dtype=np.float64)
    plateaus = np.array(entries["plateaus"], dtype=np.float64)
    order = np.argsort(half_times, kind="stable")
    half_times, plateaus = half_times[order], plateaus[order]
    by_rank = _compared(half_times, measured_times(record, plateaus))
    found = measured_mode_times(record, read_predicted(kinds["prediction"].path))
    by_mode = None
    if found is not None:
        by_mode = _compared(np.array(entries["mode_half_times"], dtype=np.float64), found)
    return Times(by_rank, by_mode)


def _compared(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> TimeComparison | None:
    # A mode that is foretold beyond its half at the start has no time to compare.
    both = np.isfinite(predicted) & np.isfinite(measured) & (predicted > 0) & (measured > 0)
    return compare_times(predicted, measured) if both.any() else None
