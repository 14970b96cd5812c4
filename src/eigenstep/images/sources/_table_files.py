"""One file of a table, Parquet or Arrow: its columns, its rows a group at a time, and whether it is whole."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from eigenstep.images.sources._columns import Column

# What ends a stream of Arrow's, and what begins and ends a file of it.
_STREAM_END, _FILE_END = b"\xff\xff\xff\xff\0\0\0\0", b"ARROW1"
# Rows that are read at a time of a group that is damaged.
_ROWS = 256


class Part(NamedTuple):
    """Rows of a table that follow each other.

    Attributes
    ----------
    rows : int
        How many.
    content : Any
        Them, as a pyarrow.Table; None if they cannot be read.
    """

    rows: int
    content: Any


class TableFile:
    """A file of rows in groups: Parquet's row groups, or Arrow's record batches.

    It is read where it lies, through a memory map, and opened anew in each process that it is given to.

    Parameters
    ----------
    path : str
        Parquet, or Arrow's formats of files (Feather) and of streams; the content tells which.
    goes_on : bool
        Of a file that ends too early the rows up to there are there.

    Attributes
    ----------
    fault : str | None
        What is wrong with the file, if it goes on.
    """

    def __init__(self, path: str, goes_on: bool = False) -> None:
        self.path, self.goes_on = path, goes_on
        self.fault: str | None = None
        self._content: tuple[int, _Parquet | _Arrow] | None = None

    @property
    def schema(self) -> Any:
        """A pyarrow.Schema; raises ValueError, saying what is wrong, if it is not readable."""
        return self._opened.schema

    @property
    def groups(self) -> list[int]:
        """The number of rows of each group; raises ValueError if what the file says of itself is wrong."""
        return self._opened.groups

    def read(self, group: int, columns: Sequence[Column]) -> list[Part]:
        """A group's rows, with these columns at least, and nothing in place of those that cannot be read."""
        return self._opened.read(group, columns)

    def first(self, column: Column, count: int) -> list[Any]:
        """The first values that there are; empty ones only where there are no others."""
        found: list[Any] = []
        for group in range(len(self.groups)):
            for _, content in self._opened.pieces(group, [column], count):
                values: Any = column.of(content) if content is not None else []
                for start in range(0, len(values), count):
                    found = values.slice(start, count).to_pylist()
                    if any(found):
                        return found
        return found

    def damage(self, column: Column) -> str | None:
        """What is missing of a column, for which it is read to its end; None if nothing is."""
        lost = total = 0
        for group in range(len(self.groups)):
            for rows, content in self.read(group, [column]):
                total += rows
                lost += rows if content is None else 0
        if self.fault:
            return f"it can be read up to row {total:,}: {self.fault}"
        return f"{lost:,} of its {total:,} rows cannot be read" if lost else None

    def group_bytes(self) -> list[int]:
        """What a group takes that is read whole: of what is mapped into memory as it is, nothing."""
        return self._opened.group_bytes

    @property
    def _opened(self) -> "_Parquet | _Arrow":
        import pyarrow

        if self._content is None or self._content[0] != os.getpid():
            try:
                opened = _Parquet(self.path) if _is_parquet(self.path) else _Arrow(self.path, self.goes_on)
            except (OSError, pyarrow.ArrowException, ValueError) as error:
                raise ValueError(" ".join(str(error).split())) from error
            self.fault = opened.fault
            self._content = os.getpid(), opened
        return self._content[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_content": None}


class _Parquet:
    """Checksums of pages are looked at where they have been written."""

    fault = None

    def __init__(self, path: str) -> None:
        import pyarrow.parquet

        # Threads do not outlive a fork.
        self._file = pyarrow.parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        self.schema = self._file.schema_arrow
        self.groups = _parquet_groups(self._file.metadata)
        described = self._file.metadata
        self.group_bytes = [described.row_group(index).total_byte_size for index in range(len(self.groups))]

    def read(self, group: int, columns: Sequence[Column]) -> list[Part]:
        import pyarrow

        names = [column.name for column in columns]
        try:
            table = self._file.read_row_group(group, columns=names, use_threads=False)
            if table.num_rows == self.groups[group] and _is_valid(table):
                return [Part(table.num_rows, table)]
        except (OSError, pyarrow.ArrowException):
            pass
        return list(self.pieces(group, columns, _ROWS))

    def pieces(self, group: int, columns: Sequence[Column], size: int) -> Iterator[Part]:
        import pyarrow

        names, rest = [column.name for column in columns], self.groups[group]
        try:
            for batch in self._file.iter_batches(size, row_groups=[group], columns=names, use_threads=False):
                table = pyarrow.Table.from_batches([batch])
                rest -= batch.num_rows
                yield Part(batch.num_rows, table if _is_valid(table) else None)
        except (OSError, pyarrow.ArrowException):
            pass
        if rest:
            yield Part(rest, None)


class _Arrow:
    """Batches of a stream, or of the stream within a file, which has to agree with what the file says.

    What is not compressed takes no memory. Of a compressed file a batch is read when it is needed; a
    compressed stream is kept whole.
    """

    group_bytes: ClassVar[list[int]] = []

    def __init__(self, path: str, goes_on: bool) -> None:
        import pyarrow

        self._map = pyarrow.memory_map(path)
        self._batches: list[Any] = []
        self._file: Any = None
        self.fault: str | None = None
        stream, is_file = _arrow_stream(self._map)
        self.schema, self.groups = stream.schema, list[int]()
        try:
            for batch in stream:
                self.groups.append(batch.num_rows)
                if not is_file or goes_on:
                    self._batches.append(batch)
            self._check_end(stream, is_file)
        except (OSError, pyarrow.ArrowException, ValueError) as error:
            if not goes_on:
                raise
            self.fault = " ".join(str(error).split())

    def read(self, group: int, columns: Sequence[Column]) -> list[Part]:
        import pyarrow

        try:
            batch = self._batches[group] if self._batches else self._file.get_batch(group)
            table = pyarrow.Table.from_batches([batch]).select(
                list(dict.fromkeys(c.path[0] for c in columns))
            )
            content = table if _is_valid(table) else None
        except (OSError, pyarrow.ArrowException):
            content = None
        return [Part(self.groups[group], content)]

    def pieces(self, group: int, columns: Sequence[Column], size: int) -> Iterator[Part]:
        return iter(self.read(group, columns))

    def _check_end(self, stream: Any, is_file: bool) -> None:
        import pyarrow

        file, end, size = self._map, self._map.tell(), self._map.size()
        file.seek(max(end - len(_STREAM_END), 0))
        if file.read(len(_STREAM_END)) != _STREAM_END:
            raise ValueError("it ends without the mark of a stream's end")
        if is_file:
            options = pyarrow.ipc.IpcReadOptions(use_threads=False)
            self._file = pyarrow.ipc.open_file(file, options=options)
            found = [self._file.get_batch(index).num_rows for index in range(self._file.num_record_batches)]
            if found != self.groups or not self._file.schema.equals(stream.schema, True):
                raise ValueError("its end names other columns or batches than it holds")
        elif end != size:
            raise ValueError(f"its stream ends at byte {end:,} of {size:,}")


def _is_parquet(path: str) -> bool:
    """By the content; by the name where that is none of a table's."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"FEA1"):
        raise ValueError("it is Feather's first version, which is not read; write it again as Parquet")
    if head.startswith((_FILE_END, b"\xff\xff\xff\xff")):
        return False
    return head.startswith(b"PAR1") or not path.lower().endswith((".arrow", ".arrows", ".ipc", ".feather"))


def _parquet_groups(described: Any) -> list[int]:
    groups = [described.row_group(index) for index in range(described.num_row_groups)]
    counted = sum(group.num_rows for group in groups)
    if counted != described.num_rows:
        raise ValueError(f"it says that it has {described.num_rows:,} rows, its parts have {counted:,}")
    for group in groups:
        for index in range(group.num_columns):
            chunk = group.column(index)
            if chunk.num_values < group.num_rows:
                raise ValueError(
                    f"a part of {group.num_rows:,} rows has {chunk.num_values:,} of {chunk.path_in_schema}"
                )
    return [group.num_rows for group in groups]


def _arrow_stream(file: Any) -> tuple[Any, bool]:
    """The batches, and whether they stand in a file of Arrow's, which holds a stream from its byte 8 on."""
    import pyarrow

    is_file = file.read(len(_FILE_END)) == _FILE_END
    file.seek(8 if is_file else 0)
    return pyarrow.ipc.open_stream(file, options=pyarrow.ipc.IpcReadOptions(use_threads=False)), is_file


def _is_valid(content: Any) -> bool:
    import pyarrow

    try:
        content.validate(full=True)
    except pyarrow.ArrowException:
        return False
    return True
