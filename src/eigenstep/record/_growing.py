"""Files that another process appends to, read on from where they were left."""

import os
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record._bounded import LINES_BYTES, SMALL_BYTES, TABLE_BYTES, open_bounded, read_bounded
from eigenstep.record._parsing import LINE_BYTES, parse_layout, parse_line
from eigenstep.record._table import rows_or_nan

# How much of a file is in memory at a time, and how many lines of one are looked for.
CHUNK_BYTES, MOST_LINES = 1 << 24, 1 << 23
Stamp = tuple[int, int, int]


class GrowingLines:
    r"""The complete lines of a JSON-lines file, each read when it is asked for.

    Only the place of each line is kept. A last line without an end is one that is being written, and waits.

    Parameters
    ----------
    path : Path
        The file.
    chunk : int
        Bytes of it in memory at a time.
    folder : Path | None
        The run folder that it must lie in; default: any.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metrics.jsonl"
    >>> _ = path.write_text('{"step": 0}\n{"step": 5}\n{"st')
    >>> lines = GrowingLines(path)
    >>> lines.refresh()
    False
    >>> len(lines), lines.read([1])
    (2, [{'step': 5}])
    """

    def __init__(self, path: Path, chunk: int = CHUNK_BYTES, *, folder: Path | None = None) -> None:
        self.path, self.chunk, self.folder = path, chunk, folder
        self.modified = 0.0
        self._clear()

    def _clear(self) -> None:
        self._stamp: Stamp | None = None
        self._ends = array("q")
        self._last = b""

    def __len__(self) -> int:
        return len(self._ends)

    def refresh(self) -> bool:
        """Take up what was appended; True if what was read before is no longer there, so all begins anew."""
        stamp, self.modified = _stamp(self.path)
        if stamp == self._stamp:
            return False
        try:
            with open_bounded(self.path, LINES_BYTES, self.folder) as file:
                replaced = self._stamp is not None and (
                    stamp is None or stamp[0] != self._stamp[0] or not self._still_there(file)
                )
                if replaced:
                    self._clear()
                self._scan(file)
        except FileNotFoundError:
            replaced = len(self) > 0
            self._clear()
        self._stamp = stamp
        return replaced

    def read(self, indices: Iterable[int]) -> list[dict[str, Any] | None]:
        """The lines at some indices; None for one that is damaged or not a JSON object."""
        with open_bounded(self.path, LINES_BYTES, self.folder) as file:
            return [_object_or_none(self._line(file, index)) for index in indices]

    def _scan(self, file: int) -> None:
        start = end = self._ends[-1] if self._ends else 0
        while len(self._ends) < MOST_LINES and (chunk := os.pread(file, self.chunk, end)):
            newlines = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + end + 1
            self._ends.frombytes(newlines.astype(np.int64).tobytes())
            end += len(chunk)
        if self._ends and self._ends[-1] > start:
            self._last = self._line(file, len(self) - 1)

    def _line(self, file: int, index: int) -> bytes:
        start = self._ends[index - 1] if index else 0
        return os.pread(file, min(self._ends[index] - start, LINE_BYTES + 1), start)

    def _still_there(self, file: int) -> bool:
        return not self._ends or self._line(file, len(self) - 1) == self._last


class GrowingTable:
    """The complete rows of a table `NAME.bin`, of the type in `NAME.json`, each read when it is asked for.

    The file is never mapped into memory: a mapped file that is cut short kills the process that reads it.

    Parameters
    ----------
    path : Path
        The table's path without extension.
    folder : Path | None
        The run folder that both files must lie in; default: any.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.record import Table
    >>> path = Path(tempfile.mkdtemp()) / "points"
    >>> written, followed = Table(path, {"value": ("<f4", (2,))}), GrowingTable(path)
    >>> for step in range(3):
    ...     written.append(step=step, time=0.1 * step, value=[step, 2 * step])
    >>> followed.refresh()
    False
    >>> len(followed), followed.read([2])["value"]
    (3, array([[2., 4.]], dtype=float32))
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        self.rows, self.folder = Path(f"{path}.bin"), folder
        self.layout = SmallFile(Path(f"{path}.json"), parse_layout, folder)
        self.modified = 0.0
        self._clear()

    def _clear(self) -> None:
        self._stamp: Stamp | None = None
        self._count = 0
        self._last = b""

    def __len__(self) -> int:
        return self._count

    @property
    def dtype(self) -> np.dtype[Any] | None:
        layout: np.dtype[Any] | None = self.layout.content
        return layout

    def refresh(self) -> bool:
        """As of GrowingLines. Raises ValueError if the layout is not in the documented form."""
        before, count = self.dtype, self._count
        try:
            self.layout.refresh()
            stamp, self.modified = _stamp(self.rows)
            if stamp == self._stamp and self.dtype == before:
                return False
            if stamp is None or self.dtype is None:
                self._clear()
                return count > 0
            with open_bounded(self.rows, TABLE_BYTES, self.folder) as file:
                replaced = count > 0 and (
                    self.dtype != before
                    or self._stamp is None
                    or stamp[0] != self._stamp[0]
                    or self._row(file, count - 1) != self._last
                )
                self._count = stamp[1] // self.dtype.itemsize
                self._last = self._row(file, self._count - 1) if self._count else b""
                self._stamp = stamp
            return replaced
        except FileNotFoundError:
            self._clear()
            return count > 0
        except ValueError:
            self._clear()
            raise

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """The rows at some indices; rows that are gone by now are left out, a damaged one is of step -1."""
        assert self.dtype is not None, "a table without a layout has no rows to ask for"
        with open_bounded(self.rows, TABLE_BYTES, self.folder) as file:
            rows = [self._row(file, index) for index in indices]
        found = np.frombuffer(b"".join(row for row in rows if len(row) == self.dtype.itemsize), self.dtype)
        return rows_or_nan(found)

    def _row(self, file: int, index: int) -> bytes:
        size = self.dtype.itemsize if self.dtype else 0
        return os.pread(file, size, index * size)


class SmallFile:
    """A file that is written in one go, parsed anew whenever it is another one; None where there is none."""

    def __init__(self, path: Path, parse: Callable[[str], Any], folder: Path | None = None) -> None:
        self.path, self.parse, self.folder = path, parse, folder
        self.modified = 0.0
        self.content: Any = None
        self._stamp: Stamp | None = None
        self._problem = ""

    def refresh(self) -> bool:
        """Whether it is another one than before. Raises ValueError if it cannot be parsed."""
        stamp, self.modified = _stamp(self.path)
        if stamp == self._stamp:
            if self._problem:
                raise ValueError(self._problem)
            return False
        try:
            content = self._read() if stamp else None
        except FileNotFoundError:
            content = stamp = None
        except OSError:
            raise  # of the moment: what is known still holds, and the next look may be luckier
        except Exception as error:  # whatever a parser makes of foreign text
            self.content, self._stamp = None, stamp
            self._problem = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(self._problem) from error
        self.content, self._stamp, self._problem = content, stamp, ""
        return True

    def _read(self) -> Any:
        text = read_bounded(self.path, SMALL_BYTES, self.folder)  # which names the file in what it raises
        try:
            return self.parse(text.decode())
        except Exception as error:
            raise ValueError(f"{self.path} cannot be read ({error})") from error


def _stamp(path: Path) -> tuple[Stamp | None, float]:
    """What tells one state of a file from another, and when it was written.

    Of a link that leads nowhere, or to itself, what the link itself is.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        if not os.path.islink(path):
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                return None, 0.0
            raise
        status = os.lstat(path)
    return (status.st_ino, status.st_size, status.st_mtime_ns), status.st_mtime


def _object_or_none(line: bytes) -> dict[str, Any] | None:
    try:
        return parse_line(line)
    except ValueError:
        return None
