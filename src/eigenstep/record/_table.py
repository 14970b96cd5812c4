"""A table of fixed-size rows on disk: appended to a row at a time, readable by `numpy.fromfile`."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record._disk import atomic_write


class Table:
    """Rows `step, time, ...` of one NumPy data type in `NAME.bin`, the type itself in `NAME.json`.

    Parameters
    ----------
    path : the table's path without extension
    columns : shape of each float column beyond `step` (int64) and `time` (float64); values are NumPy type
        codes with shapes, for example `{"points": ("<f4", (128, 3))}`

    Raises ValueError if the folder holds a table of another layout. A torn last row, left by a killed
    process, is dropped.
    """

    def __init__(self, path: Path, columns: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        self.path = path
        layout: list[list] = [["step", "<i8", []], ["time", "<f8", []]]
        layout += [[name, kind, list(shape)] for name, (kind, shape) in columns.items()]
        self.dtype = _dtype(layout)
        description = path.with_suffix(".json")
        if description.exists() and (found := _read_dtype(description)) != self.dtype:
            raise ValueError(f"{path} holds rows of {found}, expected {self.dtype}; use another run folder")
        atomic_write(description, json.dumps({"columns": layout}, indent=1))
        rows = path.with_suffix(".bin")
        rows.touch()
        os.truncate(rows, rows.stat().st_size // self.dtype.itemsize * self.dtype.itemsize)

    def append(self, **values: Any) -> None:
        """Write one row by one system call."""
        row = np.zeros((), self.dtype)
        for name, value in values.items():
            row[name] = value
        with open(self.path.with_suffix(".bin"), "ab", buffering=0) as file:
            file.write(row.tobytes())

    def truncate(self, step: int) -> None:
        """Drop every row at or after `step`."""
        rows = read_table(self.path)
        keep = int(np.searchsorted(rows["step"], step)) if rows is not None else 0
        os.truncate(self.path.with_suffix(".bin"), keep * self.dtype.itemsize)


def read_table(path: Path) -> np.ndarray | None:
    """The complete rows of a table as a structured array; None if there is no such table."""
    description = path.with_suffix(".json")
    if not description.exists() or not path.with_suffix(".bin").exists():
        return None
    return np.fromfile(path.with_suffix(".bin"), _read_dtype(description))


def _read_dtype(description: Path) -> np.dtype:
    try:
        return _dtype(json.loads(description.read_text())["columns"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{description} does not describe a table's columns ({error})") from error


def _dtype(layout: list) -> np.dtype:
    return np.dtype([(name, kind, tuple(shape)) for name, kind, shape in layout])
