"""Columns of a table that depend on all of its rows: places on a map, and neighbours."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from torch import Tensor

from eigenstep.export._maps import MAPS, MapName
from eigenstep.export._nearest import nearest_rows


def add_columns_of_all_rows(
    source: IO[bytes],
    target: Path,
    map_name: MapName | None,
    neighbours: int | None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a Parquet file anew with further columns, a row group at a time.

    `x`, `y` and, along principal axes, `z` are where a row's `features` lie on the map; `neighbours` has the
    numbers of the rows nearest to it, `ids`, counted from 0, and their cosine `distances`, ascending.

    Parameters
    ----------
    source : IO[bytes]
        The file, with a column `features`.
    progress : Callable[[int, int], None] | None
        Called with the number of rows whose neighbours are found and the number in all.

    Raises
    ------
    ValueError
        In one line if features are not finite; and what the map raises.
    """
    table = parquet.ParquetFile(source, pre_buffer=False)
    count = table.metadata.num_rows

    def blocks() -> Iterator[Tensor]:
        for group in range(table.num_row_groups):
            yield _features(table.read_row_group(group, ["features"]))

    _check_finite(blocks())
    further: dict[str, pa.Array] = {}
    if map_name is not None:
        points = MAPS[map_name](blocks)
        further = dict(zip("xyz", map(pa.array, points.T.copy()), strict=False))
    if neighbours is not None:
        ids, distances = nearest_rows(blocks, count, neighbours, device, progress)
        further["neighbours"] = pa.StructArray.from_arrays(
            [_lists(ids), _lists(distances)], ["ids", "distances"]
        )
    schema = table.schema_arrow
    place = schema.get_field_index("image_hash")
    for name, values in reversed(further.items()):
        schema = schema.insert(place, pa.field(name, values.type))
    start = 0
    with parquet.ParquetWriter(target, schema) as writer:
        for group in range(table.num_row_groups):
            rows = table.read_row_group(group)
            for name, values in reversed(further.items()):
                rows = rows.add_column(place, name, values.slice(start, len(rows)))
            writer.write_table(rows)
            start += len(rows)


def _features(rows: pa.Table) -> Tensor:
    column = rows["features"].combine_chunks()
    values = column.flatten().to_numpy()
    return torch.from_numpy(values.reshape(len(rows), -1).copy())


def _check_finite(blocks: Iterator[Tensor]) -> None:
    broken = sum(int((~block.isfinite().all(1)).sum()) for block in blocks)
    if broken:
        raise ValueError(
            f"expected finite features for a map or neighbours, got NaN or infinity in {broken} rows; choose"
            " an earlier --checkpoint, or leave both out"
        )


def _lists(values: np.ndarray) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)))
