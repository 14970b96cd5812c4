"""A table of fixed-size rows on disk: appended to a row at a time, readable by `numpy.fromfile`."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.recfunctions import repack_fields

from eigenstep.record._bounded import TABLE_BYTES, read_bounded
from eigenstep.record._disk import append, atomic_write, flush, truncate
from eigenstep.record._parsing import parse_layout

# The last column of a row: the CRC-32 of the bytes before it. Tables of older versions have none.
CHECK = "crc32"


class Table:
    """Rows `step, time, ...` of one NumPy data type in `NAME.bin`, the type itself in `NAME.json`.

    Each row ends with a checksum, by which what a fault of the disk has left is told from a row.

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

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "points"
    >>> table = Table(path, {"value": ("<f4", (2,))})
    >>> for step in (0, 10, 20):
    ...     table.append(step=step, time=0.1 * step, value=[step, 2 * step])
    >>> table.truncate(20)  # the run goes on from step 20
    >>> read_table(path)["step"], read_table(path)["value"][-1]
    (array([ 0, 10]), array([10., 20.], dtype=float32))
    """

    def __init__(self, path: Path, columns: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        self.path, self.rows = path, path.with_suffix(".bin")
        layout: list[list[Any]] = [["step", "<i8", []], ["time", "<f8", []]]
        layout += [[name, kind, list(shape)] for name, (kind, shape) in columns.items()]
        layout += [[CHECK, "<u4", []]]
        description = path.with_suffix(".json")
        found = _read_layout(description) if description.exists() else None
        for columns_there in (layout, layout[:-1]):
            text = json.dumps({"columns": columns_there}, indent=1)
            self.dtype = parse_layout(text)
            if found in (None, self.dtype):
                break
        else:
            raise ValueError(f"{path} holds rows of {found}, expected {self.dtype}; use another run folder")
        if found is None:
            atomic_write(description, text)
        self._keep(self.size // self.dtype.itemsize)

    def append(self, **values: Any) -> None:
        """Write one row, whole or not at all."""
        row = np.zeros((), self.dtype)
        for name, value in values.items():
            row[name] = value
        if CHECK in (self.dtype.names or ()):
            row[CHECK] = _checksums(row.reshape(1))[0]
        append(self.rows, row.tobytes(), row=self.dtype.itemsize)

    def truncate(self, step: int) -> None:
        """Drop every row at or after `step`, and all that is no row."""
        rows = np.fromfile(self.rows, self.dtype)
        keeps = _sound(rows) & (rows["step"] < step)
        count = int(keeps.sum())
        if keeps[:count].all():
            self._keep(count)
        else:
            atomic_write(self.rows, rows[keeps].tobytes())

    @property
    def size(self) -> int:
        """Bytes of rows."""
        return self.rows.stat().st_size if self.rows.exists() else 0

    def cut(self, size: int) -> None:
        """Drop what is beyond so many bytes."""
        if self.size > size:
            truncate(self.rows, size)

    def flush(self) -> None:
        """Return when all rows are on the disk."""
        flush(self.rows)

    def _keep(self, count: int) -> None:
        truncate(self.rows, count * self.dtype.itemsize)


def read_table(
    path: Path, problems: list[str] | None = None, folder: Path | None = None
) -> np.ndarray | None:
    """The complete rows of a table as a structured array, in the order of their steps; None if there is none.

    Of rows with one step the last one written counts. Damaged rows are left out, and told in `problems`.

    Parameters
    ----------
    folder : Path | None
        The run folder that its files must lie in; default: any.

    Raises
    ------
    ValueError
        If they are no regular files there, too large, or the layout is not in the documented form.
    """
    description, rows = path.with_suffix(".json"), path.with_suffix(".bin")
    if not os.path.lexists(description) or not os.path.lexists(rows):
        return None
    dtype = _read_layout(description, folder)
    content = read_bounded(rows, TABLE_BYTES, folder)
    found = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
    sound = _sound(found)
    if problems is not None and not sound.all():
        problems.append(f"{rows.name}: {np.sum(~sound)} of {len(found)} rows are damaged and left out")
    kept = _without_checks(found[sound])
    return kept[last_of_each(kept["step"])]


def rows_or_nan(rows: np.ndarray) -> np.ndarray:
    """Rows as they lie in a table's file, without their checksums; a damaged one is of step -1 and of NaN."""
    sound, kept = _sound(rows), _without_checks(rows)
    if not sound.all():
        kept = kept.copy()
        for name in kept.dtype.names or ():
            kept[name][~sound] = -1 if name == "step" else np.nan
    return kept


def last_of_each(steps: np.ndarray) -> np.ndarray | slice:
    """What puts rows in the order of their steps, the last one of each step."""
    if (np.diff(steps) > 0).all():
        return slice(None)
    order = np.argsort(steps, kind="stable")
    in_order = steps[order]
    return order[np.append(in_order[1:] != in_order[:-1], True)] if len(order) else order


def _without_checks(rows: np.ndarray) -> np.ndarray:
    names = [name for name in rows.dtype.names or () if name != CHECK]
    kept: np.ndarray = repack_fields(rows[names])
    return kept


def _sound(rows: np.ndarray) -> np.ndarray:
    if CHECK not in (rows.dtype.names or ()):
        return np.ones(len(rows), bool)
    return _checksums(rows) == rows[CHECK]


def _checksums(rows: np.ndarray) -> np.ndarray:
    bodies = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)[:, :-4]
    return np.array([zlib.crc32(body.tobytes()) for body in bodies], np.uint32)


def _read_layout(description: Path, folder: Path | None = None) -> np.dtype[Any]:
    text = read_bounded(description, folder=folder)
    try:
        return parse_layout(text.decode())
    except ValueError as error:
        raise ValueError(f"{description} does not describe a table's columns ({error})") from error
