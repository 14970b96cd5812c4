"""The user's own columns: a table with a row for each image of the data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SUFFIXES = (".csv", ".parquet")


def own_columns(path: str | Path, total: int, places: NDArray[np.int64]) -> tuple[list[str], Array]:
    """Names (c) and values (n, c) of the columns of numbers of a table, for the images at some places.

    Parameters
    ----------
    path : str | Path
        .csv or .parquet; a row for each image, in the data set's order. Columns that hold no numbers are
        left out.
    total : int
        Images in the data set.
    places : NDArray[np.int64]
        (n,) which of them.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line for another number of rows, no column of numbers, or numbers that are missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"--table: there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--table: expected a name that ends in .csv or .parquet, got {path}")
    try:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ValueError("--table needs pyarrow; install it by pip install 'eigenstep[train]'") from error
    try:
        if path.suffix == ".csv":
            table = pa.csv.read_csv(path)
        else:
            schema = pa.parquet.read_schema(path)
            table = pa.parquet.read_table(path, columns=[f.name for f in schema if _is_number(f.type)])
    except pa.ArrowInvalid as error:
        raise ValueError(f"--table: {path} cannot be read ({str(error).splitlines()[0]})") from error
    if table.num_rows != total:
        raise ValueError(
            f"--table: expected a row for each of the {total:,} images, got {table.num_rows:,} in {path}"
        )
    names = [name for name in table.column_names if _is_number(table.schema.field(name).type)]
    if not names:
        raise ValueError(
            f"--table: expected a column of numbers in {path}, got {', '.join(table.column_names)}"
        )
    columns = []
    for name in names:
        values = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)[places]
        missing = int((~np.isfinite(values)).sum())
        if missing:
            raise ValueError(
                f"--table: expected finite numbers in column {name!r} of {path}, {missing} of the"
                f" {len(places):,} rows that are used have none"
            )
        columns.append(values)
    return names, np.stack(columns, axis=1)


def _is_number(kind: object) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))
