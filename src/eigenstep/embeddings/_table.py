"""Parquet files: columns of lists of numbers, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._stored import Content, Stored

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes read from the file at once.
BUFFER = 2**20


def parquet_content(path: Path) -> Content:
    """The columns of a Parquet file, and what its metadata hold under `eigenstep`.

    A row without a value counts as NaN.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: Parquet files need more packages; install them by pip install 'eigenstep[train]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
            arrays: dict[str | None, Stored] = {
                field.name: _stored(path, file, field, count) for field in schema
            }
            return Content(arrays, (schema.metadata or {}).get(b"eigenstep", b"").decode())
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file ({error})") from error


def _stored(path: Path, file: pa.parquet.ParquetFile, field: pa.Field, count: int) -> Stored:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    kind, name = field.type, field.name
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    values = kind.value_type if lists else kind
    numeric = pa.types.is_floating(values) or pa.types.is_integer(values)

    def whole() -> NDArray[Any]:
        return _values(parquet.read_table(path, columns=[name])[name].combine_chunks())

    if not lists:
        return Stored((count,), str(kind), numeric, lambda rows: iter(()), whole)
    width = kind.list_size if pa.types.is_fixed_size_list(kind) else _first_length(file, name)

    def pieces(rows: int) -> Iterator[Tensor]:
        # By default Arrow keeps what it has read ahead until the end.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER) as opened:
            for batch in opened.iter_batches(rows, columns=[name]):
                yield _vectors(batch.column(0), width, f"{path}, {name}")

    return Stored((count, width), str(values), numeric, pieces, whole)


def _first_length(file: pa.parquet.ParquetFile, name: str) -> int:
    """Of the first row that has a value."""
    for batch in file.iter_batches(1024, columns=[name]):
        for row in batch.column(0):
            if row.is_valid:
                return len(row)
    return 0


def _vectors(lists: pa.Array, width: int, what: str) -> Tensor:
    import pyarrow.compute as compute

    lengths = compute.list_value_length(lists).drop_null()
    if not compute.all(compute.equal(lengths, width)).as_py() and len(lengths):
        raise ValueError(f"{what}: expected lists of {width} numbers in every row, as in the first")
    given = lists.is_valid().to_numpy(zero_copy_only=False)
    values = lists.flatten().to_numpy(zero_copy_only=False)
    rows = np.full((len(lists), width), np.nan, values.dtype if values.dtype.kind == "f" else np.float64)
    rows[given] = values.reshape(-1, width)
    return torch.from_numpy(rows)


def _values(column: pa.Array) -> NDArray[Any]:
    """A column of numbers or texts; as objects where a row has none."""
    import pyarrow as pa

    if pa.types.is_primitive(column.type) and not column.null_count:
        found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return found
    return np.array(column.to_pylist(), dtype=object if column.null_count else None)
