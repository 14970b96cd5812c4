"""What training of the kernel's linear model predicts, moment by moment."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.analysis import find_rises
from eigenstep.prediction._course import CONTRAST, Descent
from eigenstep.prediction._linear_training import train_linear_model
from eigenstep.prediction._mode_times import mode_times
from eigenstep.prediction._moments import RECORDS, SNAPSHOTS, Predicted, Row, Snapshot
from eigenstep.prediction._start import Start
from eigenstep.spectrum import covariance_eigenvalues, cross_correlation_eigenvalues, principal_projections


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
) -> Predicted:
    """What training of the kernel's linear model predicts, see `train_linear_model`.

    Parameters
    ----------
    to_images : (m, N) kernel values of the images with the views
    start : embeddings of the views and of the images before the first step
    modes : (m, k) values on the images of the modes whose learning is told
    center : subtract the mean embedding before C is measured
    """
    every = max(1, len(rates) // RECORDS)
    origin, across = torch.from_numpy(start.images), torch.from_numpy(to_images)
    rows, kept = [], []
    for moment in train_linear_model(kernel, start.views, loss, rates, descent):
        if moment.step % every and moment.step != len(rates):
            continue
        embedded = origin + across @ moment.moved
        kept.append(embedded.float().numpy())
        z_a, z_b = moment.embeddings.chunk(2)
        rows.append(
            Row(
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
        if values[learned - 1] >= CONTRAST * values[learned]:
            snapshots.append(Snapshot(learned, rows[at].step, rows[at].time, kept[at]))
    of_modes = mode_times(times, np.array(kept), modes)
    return Predicted(rows, snapshots[:SNAPSHOTS], kept[-1], half_times, plateaus, of_modes)


def _between(half_times: list[float]) -> list[tuple[int, float]]:
    ordered = sorted(half_times)
    middles = [(now + later) / 2 for now, later in pairwise(ordered)]
    return list(enumerate(middles, start=1))
