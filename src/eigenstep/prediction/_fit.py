"""The one constant that may be fitted: how fast a measured run's clock goes beside a prediction's."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.comparison import TimeComparison, compare_times
from eigenstep.spectrum import RunRecord, find_rises, read_record


def measured_times(record: RunRecord, plateaus: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each eigenvalue of a run passed half of where a prediction of it ends, (k,); NaN where it did not.

    plateaus : (k,) of the eigenvalues by rank; where it is NaN, half of the run's own plateau
    """
    times = np.full(len(plateaus), np.nan)
    if record.eigenvalues is None or not len(record.eigenvalues):
        return times
    moments, curves = record.eigenvalues["time"], record.eigenvalues["cross_correlation"]
    for mode, plateau in enumerate(plateaus[: curves.shape[1]]):
        level = float(plateau) if np.isfinite(plateau) else None
        rises = find_rises(moments, curves[:, [mode]], plateau=level)
        times[mode] = rises[0].half_time if rises else np.nan
    return times


def fit_time(
    run: str | Path, half_times: NDArray[np.float64], plateaus: NDArray[np.float64]
) -> TimeComparison:
    """Compare predicted half times (k,) with a run's, mode by mode in the order of learning.

    Raises FileNotFoundError if there is no run, ValueError if it has learned no mode.
    """
    try:
        return compare_times(half_times, measured_times(read_record(run), plateaus))
    except ValueError as error:
        raise ValueError(
            f"no time can be fitted to {run}, which has learned none of the modes yet"
        ) from error
