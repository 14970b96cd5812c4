"""Reading a run folder, whoever wrote it and whether or not the run still goes on."""

import io
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eigenstep.record._bounded import LINES_BYTES, THUMBNAIL_BYTES, open_bounded, read_bounded
from eigenstep.record._discover import is_run
from eigenstep.record._folder import (
    CONFIG,
    EIGENVALUES,
    LANDMARKS,
    METRICS,
    PREDICTION,
    PROBES,
    PROJECTIONS,
    SUMMARY,
    THUMBNAILS,
    TIMINGS,
)
from eigenstep.record._parsing import (
    LINE_BYTES,
    MOST_NUMBERS,
    numbers_of,
    parse_config,
    parse_landmarks,
    parse_line,
    parse_object,
    parse_prediction,
)
from eigenstep.record._table import last_of_each, read_table

Parsed = TypeVar("Parsed")
# Of a file of lines: numbers in all, and damaged lines that are told one by one.
MOST_CELLS, LINES_TOLD = 10**8, 20


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
        `terms/NAME`, rank and collapse measures as `measures/NAME`, and what a step was like as
        `health/NAME`.
    timings : dict[str, np.ndarray]
        Columns of `timings.jsonl`, likewise.
    probes : dict[str, np.ndarray]
        Columns of `probes.jsonl`, likewise: step, time, and accuracies of the probes made while training.
    eigenvalues, projections : np.ndarray | None
        Structured arrays of the tables, or None.
    probe : np.ndarray | None
        The probe batch as it is stored, (n, height, width, channels), or None.
    prediction : dict[str, Any] | None
        The closed form's gamma, start_scales, half_times and learning_rate, or None.
    summary : dict[str, Any] | None
        What the run wrote at its end, or None while it goes on.
    problems : tuple[str, ...]
        One line for each file of which something is damaged and left out.
    landmarks : tuple[tuple[str, float, str], ...]
        The values that the loss has by itself, each with its name and what it means; see
        `eigenstep.analysis.Landmark`.
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
    landmarks: tuple[tuple[str, float, str], ...] = ()

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def is_prediction(self) -> bool:
        """Whether the folder holds what `eigenstep predict` computed, and nothing that was measured."""
        return self.config.get("kind") == "prediction"

    @property
    def is_rectangular(self) -> bool:
        """Whether modes are singular values of two encoders' cross-covariance, not eigenvalues of C."""
        return self.eigenvalues is not None and "covariance_b" in (self.eigenvalues.dtype.names or ())


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
        eigenvalues=read_table(path / EIGENVALUES, problems, path),
        projections=read_table(path / PROJECTIONS, problems, path),
        probe=read_thumbnails(path),
        prediction=_small_file(path / PREDICTION, parse_prediction, "is no closed form"),
        summary=_small_file(path / SUMMARY, parse_object, "is not a JSON object"),
        problems=tuple(problems),
        landmarks=_small_file(path / LANDMARKS, parse_landmarks, "holds no landmarks") or (),
    )


def read_thumbnails(path: Path) -> np.ndarray | None:
    """The probe batch's thumbnails in a run folder; None if there are none."""
    file = path / THUMBNAILS
    if not os.path.lexists(file):
        return None
    content = io.BytesIO(read_bounded(file, THUMBNAIL_BYTES, path))
    try:
        thumbnails: np.ndarray = np.lib.format.read_array(content, allow_pickle=False)
        if not thumbnails.size:
            raise ValueError("it is empty")
    except Exception as error:  # its header may say anything
        raise ValueError(f"{file} holds no array ({error})") from error
    return thumbnails


def read_lines(path: Path, problems: list[str] | None = None) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file, none if there is no such file.

    Damaged lines are left out, and told in `problems`.

    Raises
    ------
    ValueError
        If no line is a JSON object: then the file is something else; or if it is no regular file, or too
        large.
    """
    damage = _Damage(path)
    rows = [row for _, row in _parsed_lines(path, damage)]
    damage.tell(bool(rows), problems)
    return rows


def _parsed_lines(path: Path, damage: "_Damage") -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the content of each complete line that is not damaged."""
    if not os.path.lexists(path):
        return
    with open_bounded(path, LINES_BYTES, path.parent) as handle, open(handle, "rb", closefd=False) as file:
        number = 0
        while line := file.readline(LINE_BYTES + 1):
            number += 1
            if len(line) > LINE_BYTES:
                while (rest := file.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                damage.add(number, f"it has more than {LINE_BYTES:,} bytes")
            elif line.endswith(b"\n") and len(line) > 1:
                try:
                    yield number, parse_line(line[:-1])
                except ValueError as error:
                    damage.add(number, str(error))


class _Damage:
    """The damaged lines of a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.told: list[str] = []

    def add(self, number: int, why: str) -> None:
        self.count += 1
        if self.count <= LINES_TOLD:
            self.told.append(f"{self.path.name}: line {number} is damaged and left out ({why})")

    def tell(self, has_rows: bool, problems: list[str] | None) -> None:
        """Add to the problems of a run. Raises ValueError where nothing in the file is a run's."""
        if self.count and not has_rows:
            raise ValueError(
                f"{self.path} has a line that is not a JSON object, and no other ({self.told[0]})"
            )
        if problems is not None:
            problems += self.told
            if self.count > LINES_TOLD:
                problems.append(f"{self.path.name}: {self.count - LINES_TOLD:,} more lines are damaged")


def _columns(path: Path, problems: list[str]) -> dict[str, np.ndarray]:
    """Columns of a JSON-lines file; a measurement that lacks a column has NaN there.

    One that lacks its step is left out.
    """
    damage = _Damage(path)
    names: dict[str, None] = {}
    rows: list[tuple[tuple[str, ...], array[float]]] = []
    shapes: dict[tuple[str, ...], tuple[str, ...]] = {}  # rows of the same names share them
    cells, has_lines = 0, False
    for number, line in _parsed_lines(path, damage):
        try:
            row = numbers_of(line, strict=True)
        except ValueError as error:
            damage.add(number, str(error))
            continue
        has_lines = True
        if np.isfinite(row.get("step", np.nan)):
            shape = tuple(row)
            rows.append((shapes.setdefault(shape, shape), array("d", row.values())))
            names |= dict.fromkeys(row)
            cells += len(row)
        if max(cells, len(names) * len(rows)) > MOST_CELLS or len(names) > MOST_NUMBERS:
            raise ValueError(
                f"{path} has more than {MOST_CELLS:,} numbers, or {MOST_NUMBERS:,} names; expected a run's"
            )
    damage.tell(has_lines, problems)
    columns = {name: np.full(len(rows), np.nan) for name in names}
    for index, (shape, values) in enumerate(rows):
        for name, value in zip(shape, values, strict=True):
            columns[name][index] = value
    if "step" in columns:
        order = last_of_each(columns["step"])
        columns = {name: values[order] for name, values in columns.items()}
        columns["step"] = columns["step"].astype(int)
    return columns


def _small_file(path: Path, parse: Callable[[str], Parsed], complaint: str) -> Parsed | None:
    """What a file that is written in one go says; None if there is no such file."""
    if not os.path.lexists(path):
        return None
    content = read_bounded(path, folder=path.parent)
    try:
        return parse(content.decode())
    except ValueError as error:
        raise ValueError(f"{path} {complaint} ({error})") from error
