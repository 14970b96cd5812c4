"""Writing the record of a run while it goes on."""

import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record._disk import atomic_write
from eigenstep.record._run_files import read_lines
from eigenstep.record._table import Table


class RecordWriter:
    """Appends measurements to a run folder; see docs/run-folder.md for the files.

    Parameters
    ----------
    path : the run folder, made if need be
    dim : dimension d of the embeddings
    features : how many eigenvalues of the backbone's features are kept
    probe : images in the probe batch, 0 for none
    directions : principal directions of the probe batch that are kept
    """

    def __init__(
        self, path: str | Path, dim: int, features: int = 0, probe: int = 0, directions: int = 0
    ) -> None:
        self.path = Path(path)
        spectrum = self.path / "spectrum"
        spectrum.mkdir(parents=True, exist_ok=True)
        columns = {"cross_correlation": dim, "covariance": dim} | ({"features": features} if features else {})
        self._eigenvalues = Table(
            spectrum / "eigenvalues", {name: ("<f8", (n,)) for name, n in columns.items()}
        )
        self._projections = (
            Table(spectrum / "projections", {"points": ("<f4", (probe, directions))}) if probe else None
        )
        (self.path / "metrics.jsonl").touch()

    def write_probe(self, thumbnails: np.ndarray) -> None:
        """Keep the probe batch's thumbnails, uint8 (n, height, width, 3)."""
        content = io.BytesIO()
        np.save(content, thumbnails)
        atomic_write(self.path / "spectrum" / "probe.npy", content.getvalue())

    def append(
        self,
        step: int,
        time: float,
        eigenvalues: Mapping[str, np.ndarray],
        points: np.ndarray | None = None,
        terms: Mapping[str, float] | None = None,
        measures: Mapping[str, float] | None = None,
        **metrics: float,
    ) -> None:
        """Add one measurement: rows of the tables, and a line of the metrics, which comes last."""
        self._eigenvalues.append(step=step, time=time, **eigenvalues)
        if self._projections and points is not None:
            self._projections.append(step=step, time=time, points=points)
        row: dict[str, Any] = {"step": step, "time": time} | {k: _json(v) for k, v in metrics.items()}
        for name, group in (("terms", terms), ("measures", measures)):
            if group:
                row[name] = {key: _json(value) for key, value in group.items()}
        append_line(self.path / "metrics.jsonl", row)

    def truncate(self, step: int) -> None:
        """Forget every measurement at or after `step`, as a resumed run will make it again."""
        for table in (self._eigenvalues, self._projections):
            if table:
                table.truncate(step)
        for name in ("metrics.jsonl", "timings.jsonl", "probes.jsonl"):
            if not (self.path / name).exists():
                continue
            kept = [row for row in read_lines(self.path / name) if row["step"] < step]
            atomic_write(self.path / name, "".join(json.dumps(row) + "\n" for row in kept))


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line to a JSON-lines file by one system call."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, (json.dumps(row) + "\n").encode())
    finally:
        os.close(handle)


def _json(value: float) -> float | None:
    """JSON has no NaN or infinity."""
    return float(value) if math.isfinite(value) else None
