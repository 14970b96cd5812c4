"""A fitted estimator's closed form as a run folder, which says that it is a prediction."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.record import (
    CONFIG,
    METRICS,
    PREDICTION,
    REPORT,
    SPECTRUM,
    SUMMARY,
    Owner,
    RecordWriter,
    check_folder,
    found_entries,
    replace_folder,
)

if TYPE_CHECKING:
    from eigenstep.kernel._estimator import ContrastiveKernelPCA

# Moments that are written over all the time, and around each half-time, where the curves bend.
EVEN_MOMENTS, MOMENTS_AROUND = 200, 15
# The last mode's half-time is at 1 / PAST_THE_LAST of the course.
PAST_THE_LAST = 1.15
# Steps are nominal, as a kernel has none: the fastest mode's amplitude grows by e^{this} in one.
GROWTH_A_STEP = 0.1
DIRECTIONS = 8

Array = NDArray[np.float64]


def write_run(
    model: ContrastiveKernelPCA,
    folder: str | Path,
    X: Any = None,
    *,
    init_scale: ArrayLike = 1e-4,
    thumbnails: NDArray[np.uint8] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the folder; it is there when it is whole. See `ContrastiveKernelPCA.to_run`."""
    out = Path(folder)
    half_times = model.learning_times(init_scale)
    if thumbnails is not None and (X is None or len(thumbnails) != len(X)):
        raise ValueError("expected one thumbnail for each row of X, which the embeddings are of")
    end = None if X is None else _numbers(model.transform(X, time=np.inf, init_scale=init_scale))
    check = partial(check_folder, out, ESTIMATORS, overwrite=overwrite)
    check()
    rate = GROWTH_A_STEP / float(_scale_rates(model)[0])
    steps = np.unique((_moments(model, half_times) / rate).round()).astype(int)

    def fill(place: Path) -> None:
        writer = _write_course(model, place, steps, rate, init_scale, end, thumbnails)
        writer.write_prediction(_prediction(model, init_scale, half_times, rate))
        writer.finish("predicted", int(steps[-1]))

    return replace_folder(out, fill, check=check)


def _is_of_an_estimator(out: Path) -> bool:
    try:
        return "estimator" in json.loads((out / CONFIG).read_text())
    except (OSError, ValueError):
        return False


ESTIMATORS = Owner(
    (CONFIG, METRICS, PREDICTION, REPORT, SPECTRUM, SUMMARY),
    made=_is_of_an_estimator,
    occupied="{out} exists; use overwrite=True to replace it, or another folder",
    foreign="{out} exists and is no prediction of an estimator alone; use another folder",
    mixed="{out} exists and is no prediction of an estimator alone: it holds {others}; use another folder",
    found=lambda out: found_entries(out) if out.is_dir() or not out.exists() else [out.name],
    is_taken=Path.exists,
)


def _moments(model: ContrastiveKernelPCA, half_times: Array) -> Array:
    """Times from 0 to a little after the last half-time, dense around each."""
    end = PAST_THE_LAST * max(float(half_times.max()), 1 / float(_scale_rates(model)[-1]))
    widths = np.log(81) / (2 * _scale_rates(model))
    known = np.isfinite(half_times)
    around = half_times[known, None] + widths[known, None] * np.linspace(-1.5, 1.5, MOMENTS_AROUND)
    grid = np.union1d(np.linspace(0, end, EVEN_MOMENTS), around)
    return grid[(grid >= 0) & (grid <= end)]


def _scale_rates(model: ContrastiveKernelPCA) -> Array:
    """(k,) exponents of s_j, whose eigenvalue lambda_j rises as p_j / (1 + e^{-2 r_j (t - t_j)})."""
    return 4 * model.eigenvalues_ / model.objective_.time_unit()


def _config(model: ContrastiveKernelPCA) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    options = {
        name: value if isinstance(value, plain) else type(value).__name__
        for name, value in model.get_params().items()
    }
    kernel = model.kernel if isinstance(model.kernel, str) else getattr(model.kernel, "__name__", "own")
    about = {"kind": "prediction", "run": None, "estimator": type(model).__name__, "kernel": kernel}
    about |= {"loss": model.objective_.name, "training_views": int(model.n_views_)}
    return about | {"options": options}


def _prediction(
    model: ContrastiveKernelPCA, init_scale: ArrayLike, half_times: Array, rate: float
) -> dict[str, Any]:
    times = _finite(half_times)
    return {
        "course": "closed",
        "gamma": model.eigenvalues_.tolist(),
        "next_gamma": model.next_eigenvalue_,
        "start_scales": np.broadcast_to(init_scale, half_times.shape).tolist(),
        "growth_rates": _scale_rates(model).tolist(),
        "half_times": times,
        "mode_half_times": times,
        "half_steps": _finite(half_times / rate),
        "plateaus": model.trajectory(np.inf, init_scale)[0].tolist(),
        "learning_rate": None,
        "momentum": None,
        "nesterov": None,
        "centred": bool(model.center),
        "fit": None,
        "notes": ["time is that of the kernel's gradient flow, which is no network's; steps are nominal"],
    }


def _write_course(
    model: ContrastiveKernelPCA,
    place: Path,
    steps: NDArray[np.int64],
    rate: float,
    init_scale: ArrayLike,
    end: Array | None,
    thumbnails: NDArray[np.uint8] | None,
) -> RecordWriter:
    times = rate * steps
    curves, losses = model.trajectory(times, init_scale), model.loss_curve(times, init_scale)
    plateaus = model.trajectory(np.inf, init_scale)[0]
    directions = 0 if end is None else min(DIRECTIONS, end.shape[1])
    samples = 0 if end is None else len(end)
    config = json.dumps(_config(model), indent=1) + "\n"  # JSON is YAML too
    writer = RecordWriter(place, curves.shape[1], probe=samples, directions=directions, config=config)
    if thumbnails is not None:
        writer.write_probe(np.asarray(thumbnails))
    for step, time, values, loss in zip(steps.tolist(), times, curves, losses, strict=True):
        # All along, the embedding is the last one with its columns shrunk; of training views each column's
        # mean square is its eigenvalue over the share of it that the two views have in common.
        points, variances = None, values / model.invariance_ratio_
        if end is not None:
            rows = end * np.sqrt(values / plateaus)
            points, variances = _principal(rows - rows.mean(axis=0), directions)
        spectrum = {
            "cross_correlation": -np.sort(-values),
            "covariance": -np.sort(-np.resize(np.append(variances, np.zeros(len(values))), len(values))),
        }
        writer.append(step, float(time), spectrum, points, loss=float(loss), learning_rate=rate)
    return writer


def _principal(rows: Array, directions: int) -> tuple[NDArray[np.float32], Array]:
    """The rows (n, k), of mean zero, on their principal directions, and their variances along all."""
    left, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    points = np.zeros((len(rows), directions), np.float32)
    points[:, : len(sizes)] = (left * sizes)[:, :directions]
    return points, sizes**2 / len(rows)


def _numbers(rows: Any) -> Array:
    values = rows.cpu().numpy() if hasattr(rows, "cpu") else rows
    return np.asarray(values, dtype=np.float64)


def _finite(values: Array) -> list[float | None]:
    """JSON has no infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]
