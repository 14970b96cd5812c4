"""Full-batch gradient descent on pairs of crops, recorded as a run."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from eigenstep.analysis import summarise
from eigenstep.record import RecordWriter, RunRecord, read_record
from eigenstep.spectrum import covariance_eigenvalues, cross_correlation_eigenvalues, principal_projections

# Called with the step, the number of steps and the loss at every measurement.
StepProgress = Callable[[int, int, float], None]
DIRECTIONS = 8


class FullBatchRun:
    """A run folder that is written while an encoder is trained on two crops of each of n images.

    Parameters
    ----------
    out : Path
        a folder that is empty or not there yet.
    config : dict[str, Any]
        The configuration tree.
    probe : Tensor
        (p, C, size, size), the first views of the first images, whose embeddings are followed.
    dim : int
        Dimension of the embeddings.
    center : bool
        Whether the eigenvalues recorded are of embeddings without their mean.
    """

    def __init__(self, out: Path, config: dict[str, Any], probe: Tensor, dim: int, center: bool) -> None:
        self.out, self.center = out, center
        self.probe, self.directions = len(probe), min(DIRECTIONS, dim)
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        self.writer = RecordWriter(out, dim, probe=self.probe, directions=self.directions, config=text)
        self.writer.write_probe(probe.permute(0, 2, 3, 1).numpy())

    def descend(
        self,
        embed: Callable[[], tuple[Tensor, Tensor]],
        parameters: Iterable[Tensor],
        loss_function: Callable[[Tensor, Tensor], Tensor],
        *,
        rate: float,
        steps: int,
        records: int,
        progress: StepProgress | None,
    ) -> tuple[Tensor, Tensor]:
        """Train by gradient descent; returns the two views' embeddings at the end.

        Parameters
        ----------
        embed : Callable[[], tuple[Tensor, Tensor]]
            The two views' embeddings, (n, d) each, under the parameters as they are.
        records : int
            How many measurements, evenly spaced in the logarithm of the step as the rises are.

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite.
        """
        optimizer = torch.optim.SGD(parameters, lr=rate)
        recorded = {0, *np.geomspace(1, steps, records).round().astype(int).tolist()}
        for step in range(steps + 1):
            z_a, z_b = embed()
            loss = loss_function(z_a, z_b)
            if step in recorded:
                value = loss.item()
                if not np.isfinite(value):
                    raise FloatingPointError(f"{self.out.name}: the loss is not finite at step {step}")
                eigenvalues = {
                    "cross_correlation": cross_correlation_eigenvalues(z_a, z_b, center=self.center),
                    "covariance": covariance_eigenvalues(z_a, z_b),
                }
                points = principal_projections(z_a[: self.probe], self.directions)
                self.writer.append(step, step * rate, eigenvalues, points, loss=value, learning_rate=rate)
                if progress:
                    progress(step, steps, value)
            if step < steps:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return z_a.detach(), z_b.detach()

    def finish(self) -> RunRecord:
        """Write the summary, which says that the run is complete, and read the record."""
        record = read_record(self.out)
        self.writer.finish("finished", int(record.metrics["step"][-1]), **summarise(record))
        return read_record(self.out)
