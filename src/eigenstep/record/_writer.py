"""Writing the record of a run while it goes on: the one writer of run folders."""

import io
import json
import math
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eigenstep.record._bounded import THUMBNAIL_BYTES
from eigenstep.record._disk import append, atomic_write, flush, make_folder
from eigenstep.record._folder import (
    EIGENVALUES,
    LANDMARKS,
    METRICS,
    PREDICTION,
    PROBES,
    PROJECTIONS,
    SPECTRUM,
    START,
    START_FEATURES,
    SUMMARY,
    THUMBNAILS,
    TIMINGS,
    open_folder,
)
from eigenstep.record._parsing import checked_line
from eigenstep.record._record import read_lines
from eigenstep.record._table import Table, read_table

# More than what stands before the values in a .npy file.
HEADER = 4096


class RecordWriter:
    """Appends measurements to a run folder; see docs/run-folder.md for the files.

    Parameters
    ----------
    path : str | Path
        The run folder, made if need be.
    dim : int | tuple[int, int]
        Dimension d of the embeddings; of two encoders (d_a, d_b), with `covariance_a` and `covariance_b` in
        the place of `covariance`.
    features : int
        How many eigenvalues of the backbone's features are kept.
    probe : int
        Images in the probe batch, 0 for none.
    directions : int
        Principal directions of the probe batch that are kept.
    config : str | None
        Text of `config.yaml`; the run begins or goes on, so the summary of how it ended is removed. By
        default both are left as they are.
    start : int | None
        The step that the run goes on from, see `truncate`; by default every measurement stays.

    Attributes
    ----------
    measurements : int
        How many there are.
    missing : int
        How many should be there before the next one and are not, which that one's line says.

    Raises
    ------
    ValueError
        If the folder holds a record of another shape; nothing of it is changed then.

    Examples
    --------
    >>> import tempfile
    >>> writer = RecordWriter(tempfile.mkdtemp(), dim=2, config="loss: mine")
    >>> spectrum = {"cross_correlation": np.ones(2), "covariance": np.ones(2)}
    >>> writer.append(0, 0.0, spectrum, loss=1.5, measures={"rank_me": 2.0})
    >>> writer.finish("finished", step=0)
    """

    def __init__(
        self,
        path: str | Path,
        dim: int | tuple[int, int],
        features: int = 0,
        probe: int = 0,
        directions: int = 0,
        *,
        config: str | None = None,
        start: int | None = None,
    ) -> None:
        self.path = Path(path)
        make_folder(self.path / SPECTRUM)
        if isinstance(dim, tuple):
            columns = {"cross_correlation": min(dim), "covariance_a": dim[0], "covariance_b": dim[1]}
        else:
            columns = {"cross_correlation": dim, "covariance": dim}
        columns |= {"features": features} if features else {}
        self._eigenvalues = Table(
            self.path / EIGENVALUES, {name: ("<f8", (n,)) for name, n in columns.items()}
        )
        self._projections = (
            Table(self.path / PROJECTIONS, {"points": ("<f4", (probe, directions))}) if probe else None
        )
        if config is not None:
            open_folder(self.path, config)
        append(self.path / METRICS, "")
        if start is not None:
            self.truncate(start)
        rows = read_table(self.path / EIGENVALUES)
        self.measurements = min(len(_sound_lines(self.path / METRICS)), 0 if rows is None else len(rows))
        self.missing = 0

    def append(
        self,
        step: int,
        time: float,
        eigenvalues: Mapping[str, np.ndarray],
        points: np.ndarray | None = None,
        terms: Mapping[str, float] | None = None,
        measures: Mapping[str, float] | None = None,
        drift: Mapping[str, float] | None = None,
        health: Mapping[str, float] | None = None,
        **metrics: float,
    ) -> None:
        """Add one measurement, whole or not at all: rows of the tables, and a line of the metrics."""
        row: dict[str, Any] = {"step": int(step), "time": float(time)}
        row |= {name: _json(value) for name, value in metrics.items()}
        groups = {"terms": terms, "measures": measures, "drift": drift, "health": health}
        for name, group in groups.items():
            if group:
                row[name] = {key: _json(value) for key, value in group.items()}
        if self.missing:
            row["missing"] = self.missing
        line = checked_line(row)
        tables = [table for table in (self._eigenvalues, self._projections) if table]
        before = [table.size for table in tables]
        try:
            self._eigenvalues.append(step=step, time=time, **eigenvalues)
            if self._projections and points is not None:
                self._projections.append(step=step, time=time, points=points)
            append(self.path / METRICS, line)
        except BaseException:
            for table, size in zip(tables, before, strict=True):
                with suppress(OSError):
                    table.cut(size)
            raise
        self.measurements, self.missing = self.measurements + 1, 0

    def flush(self) -> None:
        """Return when all that was appended is on the disk, before a checkpoint relies on it."""
        for table in (self._eigenvalues, self._projections):
            if table:
                table.flush()
        for name in (METRICS, TIMINGS, PROBES):
            if (self.path / name).exists():
                flush(self.path / name)

    def append_to(self, name: Literal["timings", "probes"], row: Mapping[str, Any]) -> None:
        """Add a line beside the measurements: how long they took, or what the probes found."""
        append_line(self.path / {"timings": TIMINGS, "probes": PROBES}[name], row)

    def write_probe(self, thumbnails: np.ndarray) -> None:
        """Keep the probe batch as it is stored, (n, height, width, channels) of any type.

        One that is larger than what is read back is left out, which a warning says.
        """
        if thumbnails.nbytes + HEADER > THUMBNAIL_BYTES:
            warnings.warn(
                f"{self.path}: the {len(thumbnails)} images of the probe batch take"
                f" {thumbnails.nbytes / 2**30:.1f} GiB, more than the {THUMBNAIL_BYTES / 2**30:.0f} GiB that"
                " are kept, so that pages will not show them; set a smaller --record.probe",
                stacklevel=2,
            )
            return
        self._write_array(THUMBNAILS, thumbnails)

    def write_start_features(self, features: np.ndarray) -> None:
        """Keep the probe batch's features before the first step, float32 (n, p)."""
        self._write_array(START_FEATURES, features)

    def write_start(self, facts: Mapping[str, Any]) -> None:
        """Keep what the run's backbone took from weights: their file may be gone when the run is resumed."""
        atomic_write(self.path / START, json.dumps(facts, indent=1))

    def _write_array(self, name: str, values: np.ndarray) -> None:
        content = io.BytesIO()
        np.save(content, values)
        atomic_write(self.path / name, content.getvalue())

    def write_prediction(self, prediction: Mapping[str, Any]) -> None:
        """Keep the closed form, as docs/run-folder.md describes it.

        Raises
        ------
        ValueError
            For numbers that JSON does not have.
        """
        atomic_write(self.path / PREDICTION, json.dumps(prediction, indent=1, allow_nan=False))

    def write_landmarks(self, loss: str, landmarks: Iterable[tuple[str, float, str]], **facts: int) -> None:
        """Keep the values that the run's loss has by itself.

        Parameters
        ----------
        loss : str
            What it is called.
        landmarks : Iterable[tuple[str, float, str]]
            Of each its name, the value and what it means; see `eigenstep.analysis.Landmark`.
        facts
            What they hold for, such as the pairs of a batch.

        Raises
        ------
        ValueError
            For a value that is not finite.
        """
        listed = [{"name": name, "value": value, "says": says} for name, value, says in landmarks]
        content = {"loss": loss, **facts, "landmarks": listed}
        atomic_write(self.path / LANDMARKS, json.dumps(content, indent=1, allow_nan=False))

    def truncate(self, step: int) -> None:
        """Forget every measurement at or after `step`, as a resumed run will make it again."""
        for table in (self._eigenvalues, self._projections):
            if table:
                table.truncate(step)
        for name in (METRICS, TIMINGS, PROBES):
            if not (self.path / name).exists():
                continue
            rows = _sound_lines(self.path / name)
            kept = [row for row in rows if row.get("step", step) < step]
            atomic_write(self.path / name, "".join(checked_line(row) for row in kept))

    def finish(self, state: str, step: int, **facts: Any) -> None:
        """Write the summary, which says that the run has ended.

        Parameters
        ----------
        state : str
            "finished", "diverged", "predicted", or another word for how it ended.
        step : int
            The last one.
        facts
            What else is to be said: the modes, as `eigenstep.analysis.summarise` gives them, and more.
        """
        summary = {"state": state, "step": step, **facts}
        atomic_write(self.path / SUMMARY, json.dumps(summary, indent=1))


def _sound_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a run's own file, none if all are damaged."""
    try:
        return read_lines(path)
    except ValueError:
        return []


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line to a JSON-lines file, whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     append_line(Path(folder) / "metrics.jsonl", {"step": 10, "loss": 3.5})
    ...     print((Path(folder) / "metrics.jsonl").read_text().strip())
    {"step": 10, "loss": 3.5, "crc32": 3187641864}
    """
    append(path, checked_line(row))


def _json(value: float) -> float | None:
    """JSON has no NaN or infinity."""
    return float(value) if math.isfinite(value) else None
