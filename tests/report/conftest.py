"""Run folders written by hand in the documented format, with curves whose course is known exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

LEARNING_RATE = 0.005


def logistic(times: np.ndarray, half_times: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    exponent = np.clip(-8 * gamma * (times[:, None] - half_times), None, 700)
    return 1 / (1 + np.exp(exponent))


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    layout = [[name, values.dtype.str, list(values.shape[1:])] for name, values in columns.items()]
    rows = np.zeros(len(columns["step"]), [(name, kind, tuple(shape)) for name, kind, shape in layout])
    for name, values in columns.items():
        rows[name] = values
    path.with_suffix(".json").write_text(json.dumps({"columns": layout}))
    rows.tofile(path.with_suffix(".bin"))


def write_metrics(folder: Path, steps: np.ndarray, loss: np.ndarray) -> None:
    rows = [
        {
            "step": int(step),
            "time": LEARNING_RATE * int(step),
            "loss": float(value),
            "learning_rate": LEARNING_RATE,
        }
        for step, value in zip(steps, loss, strict=True)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_synthetic_run(
    folder: Path,
    *,
    predicted: bool = False,
    projections: bool = True,
    thumbnails: bool = True,
    rows: int = 61,
    modes: int = 5,
    dimension: int = 8,
    samples: int = 48,
    noise: float = 0.0,
    seed: int = 0,
    config: dict[str, Any] | None = None,
) -> Path:
    """`modes` of `dimension` eigenvalues follow logistic curves with half-times .25, .5, .75, ... in t."""
    rng = np.random.default_rng(seed)
    steps = np.arange(rows) * 5
    times = LEARNING_RATE * steps
    half_times = 0.25 * (1 + np.arange(modes))
    gamma = 9.0 / (1 + 0.4 * np.arange(modes))
    curves = np.zeros((rows, dimension))
    curves[:, :modes] = logistic(times, half_times, gamma)
    curves = np.abs(curves * (1 + noise * rng.standard_normal(curves.shape)))
    curves = -np.sort(-curves, axis=1)
    (folder / "spectrum").mkdir(parents=True)
    write_metrics(folder, steps, ((1 - curves) ** 2).sum(axis=1) + noise * rng.standard_normal(rows))
    covariance = 1.1 * curves
    write_table(
        folder / "spectrum" / "eigenvalues",
        {"step": steps, "time": times, "cross_correlation": curves, "covariance": covariance},
    )
    if projections:
        scores = np.linalg.qr(rng.standard_normal((samples, dimension)))[0] * np.sqrt(samples)
        signs = rng.choice([-1.0, 1.0], (rows, 1, dimension))
        points = (scores * np.sqrt(curves)[:, None, :] * signs).astype(np.float32)
        write_table(
            folder / "spectrum" / "projections", {"step": steps, "time": times, "points": points[:, :, :6]}
        )
        if thumbnails:
            np.save(folder / "spectrum" / "probe.npy", photo_patches(samples, rng))
    if predicted:
        scales = np.sqrt(1 / (gamma * (1 + np.exp(8 * gamma * half_times))))
        prediction = {"gamma": gamma, "start_scales": scales, "half_times": half_times}
        entries = {name: list(values) for name, values in prediction.items()}
        (folder / "prediction.json").write_text(json.dumps(entries | {"learning_rate": None}))
    settings = {"data": "photos", "loss": "barlow_twins", "backbone": "linear" if predicted else "convnet"}
    lines = [f"{name}: {json.dumps(value)}" for name, value in (settings | (config or {})).items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    (folder / "summary.json").write_text(
        json.dumps({"state": "finished", "images": {"used": 2048, "broken": 2}})
    )
    return folder


def photo_patches(count: int, rng: np.random.Generator, size: int = 24) -> np.ndarray:
    photo = load_sample_images().images[0]
    corners = rng.integers(0, [photo.shape[0] - size, photo.shape[1] - size], (count, 2))
    return np.stack([photo[top : top + size, left : left + size] for top, left in corners])


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """`write_run(name, **options)` writes one run folder below the test's own folder."""
    return lambda name="run", **options: write_synthetic_run(tmp_path / name, **options)


@pytest.fixture(scope="session")
def write_synthetic() -> Callable[..., Path]:
    """`write_synthetic(folder, **options)`, for fixtures that outlive a test."""
    return write_synthetic_run
