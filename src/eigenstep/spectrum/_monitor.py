"""The spectrum of embeddings in anyone's training loop."""

import math
from pathlib import Path

import numpy as np
import torch

from eigenstep.spectrum._moments import Moments
from eigenstep.spectrum._writer import RecordWriter


class SpectrumMonitor:
    """Follow the eigenvalues of a loop's embeddings, and record them as a run folder.

    Call `update` with each step's embeddings; every `every` steps the eigenvalues over the steps since the
    last time are written, and `eigenstep report` shows them.

    Parameters
    ----------
    out : the run folder to write; must not hold a record yet
    dim : dimension d of the embeddings
    every : steps between two measurements
    center : subtract the mean over the window and both views from the embeddings before C is formed

    Raises FileExistsError if the folder holds a record.

    Examples
    --------
    >>> import tempfile
    >>> monitor = SpectrumMonitor(tempfile.mkdtemp(), dim=4, every=2)
    >>> for _ in range(4):
    ...     z = torch.randn(256, 4)
    ...     monitor.update(z, z + 0.1 * torch.randn(256, 4), loss=0.0, learning_rate=0.1)
    >>> monitor.compute()["cross_correlation"].round(0)
    array([1., 1., 1., 1.])
    """

    def __init__(self, out: str | Path, dim: int, *, every: int = 10, center: bool = True) -> None:
        if dim < 1 or every < 1:
            raise ValueError(f"expected a positive dim and every, got {dim} and {every}")
        out = Path(out)
        metrics = out / "metrics.jsonl"
        if metrics.exists() and metrics.stat().st_size:
            raise FileExistsError(f"{out} holds a record already; give the monitor another folder")
        self.every = every
        self.center = center
        self.step = 0
        self.time = 0.0
        self._window = Moments(dim)
        self._last: dict[str, np.ndarray] | None = None
        self._losses: list[torch.Tensor | float] = []
        self._writer = RecordWriter(out, dim)

    def update(
        self,
        z_a: torch.Tensor,
        z_b: torch.Tensor | None = None,
        *,
        loss: torch.Tensor | float = math.nan,
        learning_rate: float = 1.0,
    ) -> None:
        """Add one step's embeddings (n, d), of one view or two, on any device.

        Parameters
        ----------
        loss : the step's loss, for the record
        learning_rate : adds to the record's time, t = sum of learning rates; without it t is the step

        Raises ValueError for embeddings of another shape.
        """
        self._window.update(z_a, z_b)
        self._losses.append(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self.step += 1
        self.time += learning_rate
        if self.step % self.every == 0:
            self._last = self._measure()
            mean_loss = float(np.mean([float(value) for value in self._losses]))
            self._writer.append(self.step, self.time, self._last, loss=mean_loss, learning_rate=learning_rate)
            self._window = Moments(self._window.dim)
            self._losses = []

    def compute(self) -> dict[str, np.ndarray]:
        """Eigenvalues (d,), descending, of `cross_correlation` and `covariance`.

        They are over the steps since the last record, or as recorded if there were none since.

        Raises ValueError before the first update.
        """
        return self._last if self._last is not None and not self._window.count else self._measure()

    def _measure(self) -> dict[str, np.ndarray]:
        matrices = {
            "cross_correlation": self._window.cross_correlation(center=self.center),
            "covariance": self._window.covariance(),
        }
        return {name: np.linalg.eigvalsh(matrix)[::-1] for name, matrix in matrices.items()}
