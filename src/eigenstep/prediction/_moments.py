"""A prediction as a run would record it, moment by moment: of a closed form, or of training in steps."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.analysis import find_rises
from eigenstep.methods import SmallStart
from eigenstep.prediction._clock import Descent
from eigenstep.prediction._course import LEARNED_OVER_NEXT, Course
from eigenstep.prediction._linear_training import Preconditioning, Start, train_linear_model
from eigenstep.prediction._modes import KernelModes, mode_times
from eigenstep.spectrum import covariance_eigenvalues, cross_correlation_eigenvalues, principal_projections

# How many moments are recorded at least, and between how many steps the images' embeddings are kept at most.
RECORDS, SNAPSHOTS = 200, 32
# Of a closed form so many moments more around each half-time, where the curves bend, of so many modes: this
# many of the mode's widths from 10 to 90 % before it and behind it.
RECORDS_AROUND_HALF_TIME, MODES_RECORDED_CLOSELY, WIDTHS_RECORDED_CLOSELY = 15, 32, 1.5
# Steps that the time is summed up over: of longer courses not every one.
STEPS_SUMMED = 10**6


@dataclass(frozen=True, eq=False)
class PredictedRow:
    """One recorded moment: what `RecordWriter.append` takes."""

    step: int
    time: float
    loss: float
    learning_rate: float
    cross_correlation: NDArray[np.float64]
    covariance: NDArray[np.float64]
    points: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PredictedSnapshot:
    """The images' embeddings (m, d) when just the first `learned` modes have been learned."""

    learned: int
    step: int
    time: float
    embedding: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predicted:
    """The whole course.

    Attributes
    ----------
    half_times, plateaus : NDArray[np.float64]
        (d,) when each eigenvalue of C, by its rank, passes half of where it ends, in units of learning rate x
        step, and where that is; NaN where it does not.
    mode_times : NDArray[np.float64]
        (k,) the same of the modes themselves, in their order.
    end : NDArray[np.float32]
        (m, d) the images' embeddings at the end of the course, for a closed form after all time.
    """

    rows: list[PredictedRow]
    snapshots: list[PredictedSnapshot]
    end: NDArray[np.float32]
    half_times: NDArray[np.float64]
    plateaus: NDArray[np.float64]
    mode_times: NDArray[np.float64]


def closed_moments(
    course: Course,
    modes: KernelModes,
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
    rates : Callable[[NDArray[np.float64]], NDArray[np.float64]]
        The learning rates of steps (T,), (T,).
    steps : int
        How far.
    dim : int
        d, of the embedding; modes that are never learned stay at zero.
    views : int
        Of a batch, which SimCLR's loss depends on.
    directions : int
        Of the images' projections.
    """
    every = np.linspace(0, steps, min(steps, STEPS_SUMMED) + 1)
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
            PredictedRow(
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
        PredictedSnapshot(
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


def stepped_moments(
    kernel: NDArray[np.float64],
    to_images: NDArray[np.float64],
    start: Start,
    modes: NDArray[np.float64],
    loss: Callable[[Tensor, Tensor], Tensor],
    rates: NDArray[np.float64],
    descent: Descent | None,
    *,
    center: bool,
    directions: int,
    preconditioner: Preconditioning | None = None,
) -> Predicted:
    """What training of the kernel's linear model predicts, see `train_linear_model`.

    Parameters
    ----------
    to_images : NDArray[np.float64]
        (m, N) kernel values of the images with the views.
    start : Start
        Embeddings of the views and of the images before the first step.
    modes : NDArray[np.float64]
        (m, k) values on the images of the modes whose learning is told.
    center : bool
        Subtract the mean embedding before C is measured.
    preconditioner : Preconditioning | None
        Of the gradient at the embeddings.
    """
    every = max(1, len(rates) // RECORDS)
    origin, across = torch.from_numpy(start.images), torch.from_numpy(to_images)
    rows, kept = [], []
    for moment in train_linear_model(kernel, start.views, loss, rates, descent, preconditioner):
        if moment.step % every and moment.step != len(rates):
            continue
        embedded = origin + across @ moment.moved
        kept.append(embedded.float().numpy())
        z_a, z_b = moment.embeddings.chunk(2)
        rows.append(
            PredictedRow(
                moment.step,
                moment.time,
                moment.loss,
                float(rates[min(moment.step, len(rates) - 1)]),
                cross_correlation_eigenvalues(z_a, z_b, center=center),
                covariance_eigenvalues(z_a, z_b),
                principal_projections(embedded, directions),
            )
        )
    times = np.array([row.time for row in rows])
    rises = find_rises(times, np.array([row.cross_correlation for row in rows]))
    half_times, plateaus = np.full((2, start.views.shape[1]), np.nan)
    for rise in rises:
        half_times[rise.mode], plateaus[rise.mode] = rise.half_time, rise.plateau
    snapshots = []
    for learned, time in _between([rise.half_time for rise in rises]):
        at = int(np.argmin(np.abs(times - time)))
        values = rows[at].cross_correlation
        if values[learned - 1] >= LEARNED_OVER_NEXT * values[learned]:
            snapshots.append(PredictedSnapshot(learned, rows[at].step, rows[at].time, kept[at]))
    of_modes = mode_times(times, np.array(kept), modes)
    return Predicted(rows, snapshots[:SNAPSHOTS], kept[-1], half_times, plateaus, of_modes)


def _grid(course: Course, end: float) -> NDArray[np.float64]:
    """Times from 0 to the end, dense around the first modes' half-times."""
    learned = np.flatnonzero(np.isfinite(course.half_times))[:MODES_RECORDED_CLOSELY]
    widths = np.log(81) / (2 * course.growth_rates[learned])
    places = np.linspace(-WIDTHS_RECORDED_CLOSELY, WIDTHS_RECORDED_CLOSELY, RECORDS_AROUND_HALF_TIME)
    around = course.half_times[learned, None] + widths[:, None] * places
    grid = np.union1d(np.linspace(0, end, RECORDS), around)
    return grid[(grid >= 0) & (grid <= end)]


def _descending(values: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    return np.sort(np.pad(values, (0, dim - len(values))))[::-1]


def _between(half_times: list[float]) -> list[tuple[int, float]]:
    ordered = sorted(half_times)
    middles = [(now + later) / 2 for now, later in pairwise(ordered)]
    return list(enumerate(middles, start=1))
