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

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter
    >>> writer, times = RecordWriter(tempfile.mkdtemp(), 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.5])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> measured_times(read_record(writer.path), np.ones(3)).round(2)
    array([1. , 2.5, nan])
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

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter
    >>> images, mode = np.arange(2 * 48, dtype=np.uint8).reshape(2, 4, 4, 3), np.array([[1.0], [-1.0]])
    >>> writer = RecordWriter(tempfile.mkdtemp(), 1, probe=2, directions=1)
    >>> writer.write_probe(images)
    >>> for step, scale in enumerate([0.01, 0.1, 1.0, 1.0, 1.0]):
    ...     one = {"cross_correlation": np.ones(1), "covariance": np.ones(1)}
    ...     writer.append(step, float(step), one, points=scale * mode, loss=1.0)
    >>> names = image_hashes(torch.from_numpy(images).permute(0, 3, 1, 2))
    >>> predicted = PredictedEmbeddings(names, mode, mode, mode[None], *(np.zeros(1) for _ in range(3)))
    >>> measured_mode_times(read_record(writer.path), predicted).round(1)
    array([1.1])
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

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import RecordWriter
    >>> writer, times = RecordWriter(tempfile.mkdtemp(), 2), np.linspace(0, 6, 121)
    >>> for step, curve in enumerate(1 / (1 + np.exp(-8 * (times[:, None] - [1.0, 2.5])))):
    ...     both = {"cross_correlation": curve, "covariance": curve}
    ...     writer.append(step, times[step], both, loss=((1 - curve) ** 2).sum())
    >>> found = fit_time(read_record(writer.path), np.array([0.5, 1.2]), np.ones(2))
    >>> round(found.time_factor, 2), found.fitted_errors.round(2)
    (2.04, array([-0.02,  0.02]))
    """
    try:
        return compare_times(half_times, measured_times(record, plateaus))
    except ValueError as error:
        raise ValueError(
            f"no time can be fitted to {record.path}, which has learned none of the modes yet"
        ) from error
