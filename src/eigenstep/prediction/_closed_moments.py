"""What a closed form predicts, moment by moment."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.prediction._course import Course
from eigenstep.prediction._modes import Modes
from eigenstep.prediction._moments import RECORDS, SNAPSHOTS, Predicted, Row, Snapshot
from eigenstep.prediction._objective import SmallStart
from eigenstep.spectrum import principal_projections

# Moments around each half-time, where the curves bend, of so many modes.
AROUND, CLOSELY = 15, 32
# Steps that the time is summed up over: of longer courses not every one.
SUMMED = 10**6


def closed_moments(
    course: Course,
    modes: Modes,
    learning: SmallStart,
    rates: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    steps: int,
    *,
    dim: int,
    views: int,
    directions: int,
) -> Predicted:
    """What modes that move alone come to.

    Parameters
    ----------
    rates : the learning rates of steps (T,), (T,)
    steps : how far
    dim : d, of the embedding; modes that are never learned stay at zero
    views : of a batch, which SimCLR's loss depends on
    directions : of the images' projections
    """
    every = np.linspace(0, steps, min(steps, SUMMED) + 1)
    clock = np.concatenate([[0.0], np.cumsum(rates(every[:-1]) * np.diff(every))])
    wanted = np.interp(_grid(course, clock[-1]), clock, every)
    recorded = np.unique(wanted.round())
    times = np.interp(recorded, every, clock)
    values = course.eigenvalues(times)
    losses = learning.loss(values, course.plateaus, dim, views)
    spread = np.cov(modes.views.T, bias=True).reshape(len(modes.gamma), -1)
    images = torch.from_numpy(modes.images)
    rows = []
    for step, time, found, loss, scales in zip(
        recorded, times, values, losses, course.scales(times), strict=True
    ):
        covariance = np.linalg.eigvalsh(spread * np.outer(scales, scales)).clip(min=0)
        rows.append(
            Row(
                int(step),
                float(time),
                float(loss),
                float(rates(np.array([step]))[0]),
                _descending(found, dim),
                _descending(covariance, dim),
                principal_projections(images * torch.from_numpy(scales), directions),
            )
        )
    moments, last = course.moments_between()[:SNAPSHOTS], rows[-1].learning_rate
    snapshots = [
        Snapshot(
            learned,
            round(float(np.interp(time, clock, every) + max(0.0, time - clock[-1]) / last)),
            time,
            (modes.images * course.scales(np.array([time]))[0]).astype(np.float32),
        )
        for learned, time in moments
    ]
    end = (modes.images * course.scales(np.array([np.inf]))[0]).astype(np.float32)
    order = np.argsort(course.half_times, kind="stable")
    return Predicted(
        rows, snapshots, end, course.half_times[order], course.plateaus[order], course.half_times
    )


def _grid(course: Course, end: float) -> NDArray[np.float64]:
    """Times from 0 to the end, dense around the first modes' half-times."""
    learned = np.flatnonzero(np.isfinite(course.half_times))[:CLOSELY]
    widths = np.log(81) / (2 * course.growth_rates[learned])
    around = course.half_times[learned, None] + widths[:, None] * np.linspace(-1.5, 1.5, AROUND)
    grid = np.union1d(np.linspace(0, end, RECORDS), around)
    return grid[(grid >= 0) & (grid <= end)]


def _descending(values: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    return np.sort(np.pad(values, (0, dim - len(values))))[::-1]
