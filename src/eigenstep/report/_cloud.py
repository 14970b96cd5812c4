"""The moving point cloud: aligned, thinned and packed for the page."""

import base64
from typing import Any

import numpy as np

from eigenstep.analysis import Rise
from eigenstep.record import RunRecord
from eigenstep.report._alignment import VIEW, align_frames, anchor_frames
from eigenstep.report._numbers import plain, thin
from eigenstep.report._sprites import sprite_sheet

FRAMES, SAMPLES = 240, 400


def point_cloud(record: RunRecord, rises: list[Rise], growing: bool = False) -> dict[str, Any] | None:
    """Frames of the probe batch's embeddings in one three-dimensional view, or None if none was recorded.

    The view is fixed at the last record with at most three learned modes. Coordinates are 16-bit integers,
    little-endian, base64, (frames, samples, 3), each frame with its own `scale`, the largest coordinate:
    embeddings grow by many orders of magnitude from a small start, and the page can zoom into any frame.
    For a record that is `growing`, frames stay as they are when others follow, and `turn` is the rotation
    (3, 3) that the page turns them by.
    """
    rows = record.projections
    if rows is None or not len(rows) or not rows["points"].size:
        return None
    rows = rows[np.isfinite(rows["points"]).all(axis=(1, 2))]
    if not len(rows):
        return None
    rows = rows[thin(len(rows), FRAMES)]
    half_times = np.array([rise.half_time for rise in rises])
    learned = (half_times[None, :] <= rows["time"][:, None]).sum(axis=1)
    samples = thin(rows["points"].shape[1], SAMPLES)
    reference = int(np.flatnonzero(learned <= VIEW)[-1]) if (learned <= VIEW).any() else 0
    if growing:
        frames, turn = anchor_frames(rows["points"], reference)
    else:
        frames, turn = align_frames(rows["points"], reference), None
    frames = frames[:, samples]
    scales = np.abs(frames).max(axis=(1, 2))
    packed = np.round(frames / np.where(scales > 0, scales, 1)[:, None, None] * 32767).astype("<i2")
    lengths = np.linalg.norm(frames, axis=2)
    return {
        "step": plain(rows["step"]),
        "time": plain(rows["time"]),
        "learned": plain(learned),
        "extent": plain(_extent(rows["points"])),
        "loss": plain(_loss_at(record, rows["step"])),
        "samples": len(samples),
        "points": base64.b64encode(packed.tobytes()).decode(),
        "scales": [float(f"{scale:.6g}") for scale in scales],
        "radii": [float(f"{radius:.4g}") for radius in np.quantile(lengths, 0.98, axis=1)],
        "turn": None if turn is None else plain(turn),
        "thumbnails": _thumbnails(record, samples),
    }


def _extent(points: np.ndarray) -> np.ndarray:
    """In how many directions each frame's cloud is wide: variance at least a quarter of the widest ever."""
    variances = (points.astype(float) ** 2).mean(axis=1)
    return (variances >= max(variances.max() / 4, np.finfo(float).tiny)).sum(axis=1)


def _thumbnails(record: RunRecord, samples: np.ndarray) -> dict[str, Any] | None:
    probe = record.probe
    if probe is None:
        return None
    if record.projections is not None and len(probe) != record.projections["points"].shape[1]:
        raise ValueError(
            f"{record.path}/spectrum/probe.npy holds {len(probe)} thumbnails, expected one for each of the "
            f"{record.projections['points'].shape[1]} projected samples"
        )
    return sprite_sheet(_pictures(probe, record.config)[samples])


def _pictures(probe: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """The probe batch as pictures: the run's images may have any number of channels, of any type."""
    images = config.get("images")
    show = images.get("show") if isinstance(images, dict) else None
    if not isinstance(show, list) or not all(type(place) is int for place in show):
        show = []
    if probe.dtype == np.uint8 and probe.shape[-1] == 3 and not show:
        return probe
    from eigenstep.images import pictures  # which brings torch

    return pictures(probe, show)


def _loss_at(record: RunRecord, steps: np.ndarray) -> np.ndarray:
    """The loss measured last at or before each step."""
    index = np.searchsorted(record.metrics["step"], steps, side="right") - 1
    return record.metrics["loss"][np.clip(index, 0, None)]
