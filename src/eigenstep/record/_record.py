"""Reading a run folder, whoever wrote it and whether or not the run still goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eigenstep.record._discover import is_run
from eigenstep.record._folder import (
    CONFIG,
    EIGENVALUES,
    METRICS,
    PREDICTION,
    PROBES,
    PROJECTIONS,
    SUMMARY,
    THUMBNAILS,
    TIMINGS,
)
from eigenstep.record._parsing import numbers_of, parse_config, parse_line, parse_object
from eigenstep.record._table import last_of_each, read_table

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds; its files are described in docs/run-folder.md.

    Attributes
    ----------
    path : Path
        The run folder.
    config : dict[str, Any]
        The configuration tree, empty if the run wrote none.
    metrics : dict[str, np.ndarray]
        Columns of `metrics.jsonl`, each of shape (T,): step, time, loss, learning_rate, the loss's terms as
        `terms/NAME`, and rank and collapse measures as `measures/NAME`.
    timings : dict[str, np.ndarray]
        Columns of `timings.jsonl`, likewise.
    probes : dict[str, np.ndarray]
        Columns of `probes.jsonl`, likewise: step, time, and accuracies of the probes made while training.
    eigenvalues, projections : np.ndarray | None
        Structured arrays of the tables, or None.
    probe : np.ndarray | None
        Thumbnails of the probe batch, uint8 (n, height, width, 3), or None.
    prediction : dict[str, Any] | None
        The closed form's gamma, start_scales, half_times and learning_rate, or None.
    summary : dict[str, Any] | None
        What the run wrote at its end, or None while it goes on.
    problems : tuple[str, ...]
        One line for each file of which something is damaged and left out.
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, np.ndarray]
    timings: dict[str, np.ndarray]
    probes: dict[str, np.ndarray]
    eigenvalues: np.ndarray | None
    projections: np.ndarray | None
    probe: np.ndarray | None
    prediction: dict[str, Any] | None
    summary: dict[str, Any] | None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def is_prediction(self) -> bool:
        """Whether the folder holds what `eigenstep predict` computed, and nothing that was measured."""
        return self.config.get("kind") == "prediction"


def read_record(path: str | Path) -> RunRecord:
    """Read a run folder; torn last lines and rows are left out, and damaged ones, as `problems` says.

    Rows are in the order of their steps; of those of one step the last one written counts.

    Raises
    ------
    FileNotFoundError
        If `path` is not a run folder.
    ValueError
        If one of its files is not in the documented form.
    """
    path = Path(path)
    if not is_run(path):
        raise FileNotFoundError(
            f"{path} is not a run folder; expected a folder with metrics.jsonl, as `eigenstep train` makes"
        )
    problems: list[str] = []
    return RunRecord(
        path=path,
        config=_small_file(path / CONFIG, parse_config, "holds no configuration") or {},
        metrics=_columns(path / METRICS, problems),
        timings=_columns(path / TIMINGS, problems),
        probes=_columns(path / PROBES, problems),
        eigenvalues=read_table(path / EIGENVALUES, problems),
        projections=read_table(path / PROJECTIONS, problems),
        probe=read_thumbnails(path),
        prediction=_small_file(path / PREDICTION, parse_object, "is not a JSON object"),
        summary=_small_file(path / SUMMARY, parse_object, "is not a JSON object"),
        problems=tuple(problems),
    )


def read_thumbnails(path: Path) -> np.ndarray | None:
    """The probe batch's thumbnails in a run folder; None if there are none."""
    file = path / THUMBNAILS
    if not file.exists():
        return None
    try:
        thumbnails: np.ndarray = np.load(file)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{file} holds no array ({error})") from error
    return thumbnails


def read_lines(path: Path, problems: list[str] | None = None) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file, none if there is no such file.

    Damaged lines are left out, and told in `problems`.

    Raises
    ------
    ValueError
        If no line is a JSON object: then the file is something else.
    """
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    rows, damaged = [], []
    for number, line in enumerate(lines, start=1):
        if line:
            try:
                rows.append(parse_line(line))
            except ValueError as error:
                damaged.append(f"{path.name}: line {number} is damaged and left out ({error})")
    if damaged and not rows:
        raise ValueError(f"{path} has a line that is not a JSON object, and no other ({damaged[0]})")
    if problems is not None:
        problems += damaged
    return rows


def _columns(path: Path, problems: list[str]) -> dict[str, np.ndarray]:
    """Columns of a JSON-lines file; a measurement that lacks a column has NaN there.

    One that lacks its step is left out.
    """
    lines = read_lines(path, problems)
    try:
        rows = [numbers_of(line, strict=True) for line in lines]
        rows = [row for row in rows if np.isfinite(float(row.get("step", np.nan)))]
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}
    except OverflowError as error:
        raise ValueError(f"{path} has a value that is no number ({error})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if "step" in columns:
        order = last_of_each(columns["step"])
        columns = {name: values[order] for name, values in columns.items()}
        columns["step"] = columns["step"].astype(int)
    return columns


def _small_file(path: Path, parse: Callable[[str], Parsed], complaint: str) -> Parsed | None:
    """What a file that is written in one go says; None if there is no such file."""
    if not path.exists():
        return None
    try:
        return parse(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} {complaint} ({error})") from error
