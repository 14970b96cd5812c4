"""Files of tables, Parquet and Arrow: whether one is whole, and the rows of one that is not."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

# What ends a stream of Arrow's, and what ends a file of it.
_STREAM_END, _FILE_END = b"\xff\xff\xff\xff\0\0\0\0", b"ARROW1"
SUFFIXES = (".parquet", ".geoparquet", ".gpq", ".arrow")
# Rows that are read at a time of a file whose damage is looked for.
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


def table_rows(path: str) -> int:
    """How many rows a file has, from its metadata.

    Raises
    ------
    ValueError
        Saying what is wrong, if the metadata is damaged, not consistent, or not at its end.
    """
    import pyarrow

    try:
        return _parquet_rows(path) if _is_parquet(path) else _arrow_rows(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(" ".join(str(error).split())) from error


def table_schema(path: str) -> Any:
    """The columns, as a pyarrow.Schema; raises ValueError if they are not readable."""
    import pyarrow
    import pyarrow.parquet

    try:
        if _is_parquet(path):
            return pyarrow.parquet.read_schema(path)
        with pyarrow.memory_map(path) as file:
            return _arrow_stream(file)[0].schema
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(" ".join(str(error).split())) from error


def table_parts(path: str, column: str) -> Iterator[Part]:
    """A file's rows, of which only a column is read of Parquet, as far as they are known to be there.

    Raises
    ------
    ValueError
        Saying what is wrong, where more rows than these may be missing.
    """
    import pyarrow

    try:
        for rows, content in _parquet_parts(path, column) if _is_parquet(path) else _arrow_parts(path):
            yield Part(rows, content if _is_valid(content) else None)
    except (OSError, pyarrow.ArrowException, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def table_fault(path: str, column: str) -> str | None:
    """What is missing of a file, for which it is read to its end; None if nothing is."""
    lost = total = 0
    try:
        for rows, content in table_parts(path, column):
            total += rows
            lost += rows if content is None else 0
    except ValueError as error:
        return f"it can be read up to row {total:,}: {error}"
    return f"{lost:,} of its {total:,} rows cannot be read" if lost else None


def readable_rows(paths: Sequence[str], column: str, state: Any = None) -> Iterator[dict[str, Any]]:
    """A column of several files, None in rows that cannot be read.

    Parameters
    ----------
    state : Any
        Of the files: tells a cache of these rows when to forget them.
    """
    for path in paths:
        try:
            for rows, content in table_parts(path, column):
                values = [None] * rows if content is None else content.column(column).to_pylist()
                yield from ({column: value} for value in values)
        except ValueError:
            continue


def _is_parquet(path: str) -> bool:
    return not path.lower().endswith(".arrow")


def _is_valid(content: Any) -> bool:
    import pyarrow

    try:
        if content is not None:
            content.validate(full=True)
    except pyarrow.ArrowException:
        return False
    return True


def _parquet_rows(path: str) -> int:
    import pyarrow.parquet

    described = pyarrow.parquet.read_metadata(path)
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
    return counted


def _parquet_parts(path: str, column: str) -> Iterator[Part]:
    import pyarrow
    import pyarrow.parquet

    _parquet_rows(path)
    with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
        for index in range(file.num_row_groups):
            rest = file.metadata.row_group(index).num_rows
            try:
                for batch in file.iter_batches(_ROWS, row_groups=[index], columns=[column]):
                    yield Part(batch.num_rows, pyarrow.Table.from_batches([batch]))
                    rest -= batch.num_rows
            except (OSError, pyarrow.ArrowException):
                pass
            if rest:
                yield Part(rest, None)


def _arrow_rows(path: str) -> int:
    return sum(rows for rows, _ in _arrow_parts(path))


def _arrow_parts(path: str) -> Iterator[Part]:
    """Batches of a stream, or of the stream within a file, which has to agree with what the file says."""
    import pyarrow

    with pyarrow.memory_map(path) as file:
        size, counts = file.size(), []
        stream, is_file = _arrow_stream(file)
        for batch in stream:
            counts.append(batch.num_rows)
            yield Part(batch.num_rows, pyarrow.Table.from_batches([batch]))
        end = file.tell()
        file.seek(max(end - len(_STREAM_END), 0))
        if file.read(len(_STREAM_END)) != _STREAM_END:
            raise ValueError("it ends without the mark of a stream's end")
        if is_file:
            named = pyarrow.ipc.open_file(file)
            found = [named.get_batch(index).num_rows for index in range(named.num_record_batches)]
            if found != counts or not named.schema.equals(stream.schema, True):
                raise ValueError("its end names other columns or batches than it holds")
        if not is_file and end != size:
            raise ValueError(f"its stream ends at byte {end:,} of {size:,}")


def _arrow_stream(file: Any) -> tuple[Any, bool]:
    """The batches, and whether they stand in a file of Arrow's, which holds a stream from its byte 8 on."""
    import pyarrow

    is_file = file.read(len(_FILE_END)) == _FILE_END
    file.seek(8 if is_file else 0)
    return pyarrow.ipc.open_stream(file), is_file
