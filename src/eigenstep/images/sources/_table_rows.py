"""The images of a table, row by row in any order."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenstep.images.decoding import BytesImage, Record
from eigenstep.images.sources._column_values import record_reader
from eigenstep.images.sources._columns import Column, columns_of
from eigenstep.images.sources._damage import Damage
from eigenstep.images.sources._lists import ListFile
from eigenstep.images.sources._passed_over import PassedOver, shown
from eigenstep.images.sources._row_files import RowFiles
from eigenstep.images.sources._source import RandomAccess
from eigenstep.images.sources._table_files import TableFile

# Rows that have been read lately are kept up to so many bytes.
CACHE_BYTES = 2**28
# Larger groups of rows than this are slow to draw single rows from.
LARGE_GROUP = 2**26


@dataclass
class TableRows(RandomAccess):
    """The images of a split; no other column is read.

    A group of rows is read whole, and kept until others take its place, so that rows in any order are quick
    where they come from few groups or all groups fit.

    Attributes
    ----------
    data : str
        As the user named it.
    root : str
        The folder that names are told from.
    files : Sequence[TableFile | ListFile]
        All of which have the column.
    column : Column
        Of images.
    named : RowFiles
        What rows without an image may name.
    rows : int
        How many are used.
    """

    data: str
    root: str
    files: Sequence[TableFile | ListFile]
    column: Column
    named: RowFiles
    rows: int
    damage: Sequence[str] = ()
    passed_over: PassedOver = field(default_factory=PassedOver)
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._groups = [(file, group) for file in self.files for group in range(len(file.groups))]
        counts = [rows for file in self.files for rows in file.groups]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self._cache: OrderedDict[int, list[tuple[int, Any]]] = OrderedDict()
        self._cached = 0
        self._readers: dict[Any, Callable[[Any, str, str | None], Record]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": OrderedDict(), "_cached": 0, "_readers": {}}

    def count(self) -> int:
        return self.rows

    def records(self, rows: list[int]) -> list[Record]:
        """Raises ValueError if a row names a file that must not be opened, or damage is to be refused."""
        found: list[Record] = [None] * len(rows)
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        for place in np.argsort(groups, kind="stable").tolist():
            row, group = rows[place], int(groups[place])
            file = self._groups[group][0]
            value = self._value(group, row - int(self._starts[group]))
            found[place] = self._reader(file)(value, f"image {row}", os.path.dirname(file.path))
        return found

    def name(self, row: int, record: Record) -> str:
        """The image's place in the table, and the file's name that it has there, if any."""
        path = None if record is None or isinstance(record, np.ndarray) else record.path
        if not path:
            return f"image {row}"
        if not isinstance(record, BytesImage):
            path = os.path.relpath(path, self.root)
        return f"image {row} ({shown(path)})"

    def _reader(self, file: TableFile | ListFile) -> Callable[[Any, str, str | None], Record]:
        """Files of one table may keep the column in different types."""
        column = column_of(file, self.column) or self.column
        if column.type not in self._readers:
            self._readers[column.type] = record_reader(column, self.named)
        return self._readers[column.type]

    def _value(self, group: int, row: int) -> Any:
        for rows, values in self._content(group):
            if row < rows:
                return None if values is None else values[row].as_py()
            row -= rows
        return None

    def _content(self, group: int) -> list[tuple[int, Any]]:
        if group in self._cache:
            self._cache.move_to_end(group)
            return self._cache[group]
        file, index = self._groups[group]
        own = column_of(file, self.column) or self.column
        content = [
            (rows, None if table is None else own.of(table)) for rows, table in file.read(index, [own])
        ]
        if any(values is None for _, values in content):
            self._refuse(file, own)
        self._cache[group] = content
        self._cached += _size(content)
        while self._cached > CACHE_BYTES and len(self._cache) > 1:
            self._cached -= _size(self._cache.popitem(last=False)[1])
        return content

    def _refuse(self, file: TableFile | ListFile, column: Column) -> None:
        """Raises ValueError if there is damage that has not been reported yet."""
        name = shown(os.path.relpath(file.path, self.root))
        if not any(told.startswith(f"{name} (") for told in self.damage):
            Damage(self.data, False).tell(name, file.damage(column) or "its rows cannot be read")


def _size(content: list[tuple[int, Any]]) -> int:
    return sum(0 if values is None else values.nbytes for _, values in content)


def column_of(file: TableFile | ListFile, column: Column) -> Column | None:
    """The column as this file has it."""
    return next((each for each in columns_of(file.schema) if each.path == column.path), None)


def slow_groups(files: Sequence[TableFile | ListFile]) -> Iterator[str]:
    """What is to be said where single rows are slow to read."""
    sizes = [size for file in files for size in file.group_bytes()] if files else []
    if sum(sizes) > CACHE_BYTES and max(sizes) > LARGE_GROUP:
        yield (
            f"its images lie in groups of up to {max(sizes) / 2**20:,.0f} MiB, each of which is read whole:"
            " streamed in random order they are slow; write the table with row groups of some 100 images"
        )
