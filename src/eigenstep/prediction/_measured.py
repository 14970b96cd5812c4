"""When modes were learned, measured beside predicted, and the one constant that may be fitted between."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.analysis import TimeComparison, compare_times, find_rises
from eigenstep.images import image_hashes
from eigenstep.prediction._folder import PredictedEmbeddings
from eigenstep.prediction._modes import mode_times
from eigenstep.record import RunRecord, read_record


def measured_times(record: RunRecord, plateaus: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each eigenvalue of a run passed half of where a prediction of it ends, (k,); NaN where it did not.

    Parameters
    ----------
    plateaus : NDArray[np.float64]
        (k,) of the eigenvalues by rank; where it is NaN, half of the run's own plateau.
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


def measured_mode_times(record: RunRecord, predicted: PredictedEmbeddings) -> NDArray[np.float64] | None:
    """When a run learned each predicted mode, (k,), from the projections of its probe batch that it recorded.

    None where it recorded none, or of other images than were predicted.
    """
    if record.projections is None or not len(record.projections) or record.probe is None:
        return None
    names = image_hashes(torch.from_numpy(record.probe).permute(0, 3, 1, 2)).tolist()
    rows = {name: row for row, name in enumerate(predicted.image_hash.tolist())}
    if len(names) != record.projections["points"].shape[1] or not rows.keys() >= set(names):
        return None
    values = predicted.modes[[rows[name] for name in names]]
    return mode_times(record.projections["time"], record.projections["points"], values)


def measured_run(run: str | Path) -> RunRecord:
    """The record of a run that times can be fitted to.

    Raises
    ------
    FileNotFoundError
        If there is no run.
    ValueError
        If it is a prediction or has measured nothing.
    """
    record = read_record(run)
    if record.is_prediction:
        raise ValueError(f"no time can be fitted to {run}, a prediction itself; expected a run that measured")
    if record.eigenvalues is None or not len(record.eigenvalues):
        raise ValueError(f"no time can be fitted to {run}, which has measured no eigenvalues yet")
    return record


def fit_time(
    record: RunRecord, half_times: NDArray[np.float64], plateaus: NDArray[np.float64]
) -> TimeComparison:
    """Compare predicted half times (k,) with a run's, rank by rank in the order of learning.

    Raises
    ------
    ValueError
        If the run has learned no mode.
    """
    try:
        return compare_times(half_times, measured_times(record, plateaus))
    except ValueError as error:
        raise ValueError(
            f"no time can be fitted to {record.path}, which has learned none of the modes yet"
        ) from error
