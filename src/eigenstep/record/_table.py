"""A table of fixed-size rows on disk: appended to a row at a time, readable by `numpy.fromfile`."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record._disk import append, atomic_write, truncate
from eigenstep.record._parsing import parse_layout


class Table:
    """Rows `step, time, ...` of one NumPy data type in `NAME.bin`, the type itself in `NAME.json`.

    Parameters
    ----------
    path : Path
        The table's path without extension.
    columns : dict[str, tuple[str, tuple[int, ...]]]
        Shape of each float column beyond `step` (int64) and `time` (float64); values are NumPy type codes
        with shapes, for example `{"points": ("<f4", (128, 3))}`.

    Raises
    ------
    ValueError
        If the folder holds a table of another layout. A torn last row, left by a killed process, is dropped.
    """

    def __init__(self, path: Path, columns: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        self.path, self.rows = path, path.with_suffix(".bin")
        layout: list[list[Any]] = [["step", "<i8", []], ["time", "<f8", []]]
        layout += [[name, kind, list(shape)] for name, (kind, shape) in columns.items()]
        text = json.dumps({"columns": layout}, indent=1)
        self.dtype = parse_layout(text)
        description = path.with_suffix(".json")
        if description.exists() and (found := _read_layout(description)) != self.dtype:
            raise ValueError(f"{path} holds rows of {found}, expected {self.dtype}; use another run folder")
        atomic_write(description, text)
        self._keep(self.rows.stat().st_size // self.dtype.itemsize if self.rows.exists() else 0)

    def append(self, **values: Any) -> None:
        """Write one row by one system call."""
        row = np.zeros((), self.dtype)
        for name, value in values.items():
            row[name] = value
        append(self.rows, row.tobytes())

    def truncate(self, step: int) -> None:
        """Drop every row at or after `step`."""
        rows = read_table(self.path)
        self._keep(int(np.searchsorted(rows["step"], step)) if rows is not None else 0)

    def _keep(self, count: int) -> None:
        truncate(self.rows, count * self.dtype.itemsize)


def read_table(path: Path) -> np.ndarray | None:
    """The complete rows of a table as a structured array; None if there is no such table."""
    description, rows = path.with_suffix(".json"), path.with_suffix(".bin")
    if not description.exists() or not rows.exists():
        return None
    return np.fromfile(rows, _read_layout(description))


def _read_layout(description: Path) -> np.dtype[Any]:
    try:
        return parse_layout(description.read_text())
    except ValueError as error:
        raise ValueError(f"{description} does not describe a table's columns ({error})") from error
