"""The spectrum of embeddings in anyone's training loop."""

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from eigenstep.atomic import atomic_write, remove_asides
from eigenstep.spectrum._cadence import LogSpaced
from eigenstep.spectrum._measure import (
    covariance_eigenvalues,
    cross_correlation_eigenvalues,
    principal_projections,
)
from eigenstep.spectrum._record import is_run, read_record
from eigenstep.spectrum._rises import find_rises
from eigenstep.spectrum._spectrum import Spectrum
from eigenstep.spectrum._writer import RecordWriter
from eigenstep.spectrum.moments import EmbeddingWindow


class SpectrumMonitor:
    """Follow the spectrum of a loop's embeddings, and record it as a run folder.

    Call `update` with each step's embeddings; at its cadence the monitor writes eigenvalues and measures,
    and `eigenstep report` shows them. docs/monitor.md tells the forms, what they cost, and how to resume.

    Parameters
    ----------
    out : the run folder to write
    dim : dimension d of the embeddings; by default that of the first ones
    every : steps between two measurements, or `LogSpaced(per_decade)`
    center : subtract the mean over both views from the embeddings before C is formed
    form : which embeddings a measurement is over: "window", those since the last one
    planned_steps : how many steps the run will have, where that is known; the last one is measured
    resume : go on in a folder that holds a record, from its last measurement or from `load_state_dict`
    probe : called at each measurement, without gradient; gives a fixed batch's embeddings (n, d), whose
        principal projections are recorded
    layer : name of what is watched, for the record

    Attributes
    ----------
    last : the `Spectrum` recorded last, or None
    step, time : steps so far, and the sum of their learning rates

    Raises FileExistsError if the folder holds a record and `resume` is not set.

    Examples
    --------
    >>> import tempfile
    >>> monitor = SpectrumMonitor(tempfile.mkdtemp(), dim=4, every=2)
    >>> for _ in range(4):
    ...     z = torch.randn(256, 4)
    ...     monitor.update(z, z + 0.1 * torch.randn(256, 4), loss=0.0, learning_rate=0.1)
    >>> monitor.compute().cross_correlation.round(0)
    array([1., 1., 1., 1.])
    """

    def __init__(
        self,
        out: str | Path,
        dim: int | None = None,
        *,
        every: int | LogSpaced = 10,
        center: bool = True,
        form: str = "window",
        planned_steps: int | None = None,
        resume: bool = False,
        probe: Callable[[], Tensor] | None = None,
        layer: str | None = None,
    ) -> None:
        if (dim is not None and dim < 1) or (isinstance(every, int) and every < 1):
            raise ValueError(f"expected a positive dim and every, got {dim} and {every}")
        self.out = Path(out)
        metrics = self.out / "metrics.jsonl"
        if not resume and metrics.exists() and metrics.stat().st_size:
            raise FileExistsError(
                f"{out} holds a record already; give the monitor another folder, or resume=True"
            )
        self.dim = dim
        self.every = every
        self.center = center
        self.form = form
        self.planned_steps = planned_steps
        self.probe = probe
        self.layer = layer
        self.step = 0
        self.time = 0.0
        self._window = EmbeddingWindow(4096)
        self.last: Spectrum | None = None
        self._losses: list[Tensor | float] = []
        self._writer: RecordWriter | None = None
        if resume and is_run(self.out):
            before = read_record(self.out).metrics
            if len(before.get("step", [])):
                self.step, self.time = int(before["step"][-1]), float(before["time"][-1])

    def update(
        self,
        z_a: Tensor,
        z_b: Tensor | None = None,
        *,
        loss: Tensor | float = math.nan,
        learning_rate: float = 1.0,
    ) -> None:
        """Add one step's embeddings (n, d), of one view or two, on any device.

        Parameters
        ----------
        loss : the step's loss, for the record
        learning_rate : adds to the record's time, t = sum of learning rates; without it t is the step

        Raises ValueError for embeddings of another shape.
        """
        self._check(z_a, z_b)
        self._window.update(z_a, z_b)
        self._losses.append(loss.detach() if isinstance(loss, Tensor) else loss)
        self.step += 1
        self.time += learning_rate
        if self._is_due():
            self._record(learning_rate)

    def compute(self, *, eigenvectors: bool = False) -> Spectrum:
        """The spectrum of the embeddings since the last record, or what was recorded if there were none.

        Raises ValueError before the first update.
        """
        if self.last is not None and not self._window.count and not eigenvectors:
            return self.last
        return self._measure(eigenvectors)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the loop should hold, for the monitor to go on as if never stopped."""
        return {
            "step": self.step,
            "time": self.time,
            "dim": self.dim,
            "losses": [float(value) for value in self._losses],
            "window": self._window.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; measurements made after it are forgotten."""
        self.step, self.time = int(state["step"]), float(state["time"])
        self._losses = list(state["losses"])
        self._window.load_state_dict(state["window"])
        self.last = None
        if state["dim"] is not None:
            self.dim = int(state["dim"])
            self._open().truncate(self.step + 1)

    def close(self, state: str = "finished") -> None:
        """Write the summary; `state`: "finished", or another word for how the run ended."""
        if self._writer is None:
            return
        record = read_record(self.out)
        assert record.eigenvalues is not None, "the writer made the table"
        rises = find_rises(record.eigenvalues["time"], record.eigenvalues["cross_correlation"])
        summary = {
            "state": state,
            "step": self.step,
            "learned_modes": len(rises),
            "rises": [vars(rise) for rise in rises],
        }
        atomic_write(self.out / "summary.json", json.dumps(summary, indent=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _is_due(self) -> bool:
        if self.step == self.planned_steps:
            return True
        every = self.every
        return every.is_due(self.step) if isinstance(every, LogSpaced) else self.step % every == 0

    def _record(self, learning_rate: float) -> None:
        self.last = found = self._measure()
        loss = float(np.mean([float(value) for value in self._losses]))
        self._window.clear()
        self._losses = []
        points = None
        if self.probe is not None:
            with torch.no_grad():
                points = principal_projections(self.probe(), 8)
        self._open(0 if points is None else len(points)).append(
            self.step,
            self.time,
            {"cross_correlation": found.cross_correlation, "covariance": found.covariance},
            points,
            measures=found.measures,
            loss=loss,
            learning_rate=learning_rate,
            nonfinite=found.nonfinite,
        )

    def _measure(self, eigenvectors: bool = False) -> Spectrum:
        rows = self._window.rows()
        z_a, z_b = rows[0], rows[-1]
        return Spectrum(
            step=self.step,
            time=self.time,
            count=rows.shape[1],
            cross_correlation=cross_correlation_eigenvalues(z_a, z_b, center=self.center),
            covariance=covariance_eigenvalues(z_a, z_b),
            eigenvectors=None,
            residuals=None,
            measures={},
        )

    def _open(self, probe: int = 0) -> RecordWriter:
        if self._writer is None:
            assert self.dim is not None, "known since the first update"
            self._writer = RecordWriter(self.out, self.dim, probe=probe, directions=8)
            remove_asides(self.out)
            self._writer.truncate(self.step + 1)
            (self.out / "summary.json").unlink(missing_ok=True)
            atomic_write(self.out / "config.yaml", json.dumps({"monitor": self._config()}, indent=1) + "\n")
        return self._writer

    def _config(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "dim": self.dim,
            "every": vars(self.every) if isinstance(self.every, LogSpaced) else self.every,
            "form": self.form,
            "center": self.center,
            "planned_steps": self.planned_steps,
        }

    def _check(self, z_a: Tensor, z_b: Tensor | None) -> None:
        if self.dim is None and z_a.ndim == 2:
            self.dim = z_a.shape[1]
        other = z_a if z_b is None else z_b
        if z_a.ndim != 2 or z_a.shape != other.shape or z_a.shape[1] != self.dim:
            raise ValueError(
                f"expected embeddings of shape (n, {self.dim or 'd'}), got {tuple(z_a.shape)}"
                + (f" and {tuple(z_b.shape)}" if z_b is not None else "")
            )
        if not len(z_a):
            warnings.warn("an empty batch of embeddings was given to the monitor", stacklevel=3)
