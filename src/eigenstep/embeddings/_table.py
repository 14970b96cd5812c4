"""Parquet and Arrow files: columns of lists, or one column per dimension, a batch of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._stored import Content, Stored
from eigenstep.embeddings._wide import in_words, wide_columns

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes read from the file at once.
BUFFER = 2**20
# Rows that tell whether a column has values at all, and in which a first one is looked for at once.
ROWS_LOOKED_AT = 1024

# Batches of about so many rows of the named columns.
Batches = Callable[[int, Sequence[str]], "Iterator[pa.RecordBatch]"]


def parquet_content(path: Path) -> Content:
    """The columns of a Parquet file, and what its metadata hold under `eigenstep`."""
    _require_arrow(path)
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def batches(rows: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        # By default Arrow keeps what it has read ahead until the end.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as opened:
            yield from opened.iter_batches(rows, columns=list(names))

    try:
        with parquet.ParquetFile(path) as file:
            return _content(_Table(path, file.schema_arrow, file.metadata.num_rows, batches))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file ({error})") from error


def arrow_content(path: Path) -> Content:
    """The columns of an Arrow (Feather) file, or of a stream in a file, as `datasets` keeps them."""
    _require_arrow(path)
    import pyarrow as pa

    def opened(source: Any) -> Any:
        try:
            return pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source)

    def parts(reader: Any) -> Iterator[pa.RecordBatch]:
        if isinstance(reader, pa.RecordBatchFileReader):
            yield from (reader.get_batch(place) for place in range(reader.num_record_batches))
        else:
            yield from reader

    def batches(rows: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as source:
            for part in parts(opened(source)):
                chosen = part.select(list(names))
                yield from (chosen.slice(start, rows) for start in range(0, len(chosen), rows))

    try:
        with pa.memory_map(str(path)) as source:
            reader = opened(source)
            schema, count = reader.schema, sum(len(part) for part in parts(reader))
        return _content(_Table(path, schema, count, batches))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not an Arrow file ({error})") from error


@dataclass(frozen=True)
class _Table:
    path: Path
    schema: pa.Schema
    count: int
    batches: Batches


def _require_arrow(path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: {path.suffix} files need more packages; install them by pip install 'eigenstep[train]'"
        ) from error


def _content(table: _Table) -> Content:
    arrays: dict[str | None, Stored] = {field.name: _column(table, field) for field in table.schema}
    if not any(stored.is_embeddings for stored in arrays.values()):
        empty = _without_values(table)
        kinds = {field.name: "other" if field.name in empty else _kind(field.type) for field in table.schema}
        for name, columns in wide_columns(kinds).items():
            arrays[name] = _wide(table, columns, in_words(columns, kinds))
    return Content(arrays, (table.schema.metadata or {}).get(b"eigenstep", b"").decode())


def _column(table: _Table, field: pa.Field) -> Stored:
    name, kind, shape = field.name, field.type, None
    if hasattr(kind, "storage_type"):  # Arrow's fixed-shape tensors, and the arrays of `datasets`
        shape = tuple(kind.shape) if hasattr(kind, "shape") else None
        kind = kind.storage_type

    def whole() -> NDArray[Any]:
        import pyarrow as pa

        found = [batch.column(0) for batch in table.batches(table.count or 1, [name])]
        return _values(pa.chunked_array(found, field.type).combine_chunks())

    if not _is_list(kind):
        return Stored((table.count,), str(kind), _kind(kind) != "other", lambda rows: iter(()), whole)
    values = kind
    while _is_list(values):
        values = values.value_type
    if shape is None:
        shape = _first_shape(table, name)
    width, what = math.prod(shape), f"{table.path}, {name}"

    def pieces(rows: int) -> Iterator[Tensor]:
        start = 0
        for batch in table.batches(rows, [name]):
            yield _vectors(_storage(batch.column(0)), width, what, start)
            start += len(batch)

    return Stored((table.count, *shape), str(values), _kind(values) != "other", pieces, whole)


def _wide(table: _Table, columns: list[str], made_of: str) -> Stored:
    import pyarrow as pa

    def pieces(rows: int) -> Iterator[Tensor]:
        for batch in table.batches(rows, columns):
            found = [column.cast(pa.float64()).to_numpy(zero_copy_only=False) for column in batch.columns]
            yield torch.from_numpy(np.column_stack(found))

    def whole() -> NDArray[Any]:
        found: NDArray[Any] = torch.cat(list(pieces(table.count or 1))).numpy()
        return found

    kinds = {str(table.schema.field(name).type) for name in columns}
    kind = " and ".join(sorted(kinds))
    return Stored((table.count, len(columns)), kind, True, pieces, whole, made_of, named=False)


def _kind(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "fraction"
    return "integer" if pa.types.is_integer(kind) else "other"


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if hasattr(column, "storage") else column


def _without_values(table: _Table) -> set[str]:
    """Names of the columns of numbers of which the first rows hold none."""
    numbers = [field.name for field in table.schema if _kind(field.type) != "other"]
    empty, seen = set(numbers), 0
    for batch in table.batches(ROWS_LOOKED_AT, numbers):
        empty -= {name for name in empty if batch[name].null_count < len(batch)}
        seen += len(batch)
        if not empty or seen >= ROWS_LOOKED_AT:
            break
    return empty


def _first_shape(table: _Table, name: str) -> tuple[int, ...]:
    """Of the first row that has a value."""
    for batch in table.batches(ROWS_LOOKED_AT, [name]):
        for row in _storage(batch.column(0)):
            value, shape = row.as_py(), []
            while isinstance(value, list):
                shape.append(len(value))
                value = value[0] if value else None
            if math.prod(shape) and shape:
                return tuple(shape)
    return (0,)


def _vectors(lists: pa.Array, width: int, what: str, start: int) -> Tensor:
    """The numbers of each row; NaN where there is no value, or an empty list."""
    import pyarrow as pa
    import pyarrow.compute as compute

    rows, numbers = np.arange(len(lists)), lists
    while _is_list(numbers.type):
        rows, numbers = rows[numbers.is_valid().to_numpy(zero_copy_only=False)], numbers.drop_null()
        rows = rows[compute.list_parent_indices(numbers).to_numpy(zero_copy_only=False)]
        numbers = compute.list_flatten(numbers)
    lengths = np.bincount(rows, minlength=len(lists))
    short = np.flatnonzero((lengths != width) & (lengths > 0))
    if len(short):
        raise ValueError(
            f"{what}: row {start + short[0]} has {lengths[short[0]]} numbers, expected {width} in every row,"
            " as in the first"
        )
    values = (numbers if pa.types.is_floating(numbers.type) else numbers.cast(pa.float64())).to_numpy(
        zero_copy_only=False
    )
    found = np.full((len(lists), width), np.nan, values.dtype)
    found[lengths > 0] = values.reshape(-1, width)
    return torch.from_numpy(found)


def _values(column: pa.Array) -> NDArray[Any]:
    """A column of numbers or texts; as objects where a row has none."""
    import pyarrow as pa

    if pa.types.is_primitive(column.type) and not column.null_count:
        found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return found
    return np.array(column.to_pylist(), dtype=object if column.null_count else None)
