"""What the values of columns are: images, arrays of pixels or paths; numbers and names of classes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from eigenstep.images.decoding import BytesImage, Record
from eigenstep.images.sources._columns import Column, is_list, is_text
from eigenstep.images.sources._row_files import RowFiles
from eigenstep.images.sources._samples import Value


def record_reader(column: Column, files: RowFiles) -> Callable[[Any, str, str | None], Record]:
    """`read(value, name, folder)`: what a value of the column holds or names.

    `name` is the row's, for what is said of it, `folder` the one that its table lies in. `read` raises
    ValueError if the row names a file that must not be opened.
    """
    import pyarrow

    kind = column.type
    if isinstance(kind, pyarrow.FixedShapeTensorType):
        shape, dtype = kind.shape, kind.value_type.to_pandas_dtype()
        order = kind.permutation or range(len(shape))
        return lambda value, name, folder: (
            None if value is None else np.array(value, dtype).reshape(shape).transpose(order)
        )
    if isinstance(kind, pyarrow.BaseExtensionType):
        kind = kind.storage_type
    if pyarrow.types.is_struct(kind):
        return files.record
    if is_text(kind):
        return lambda value, name, folder: files.record({"bytes": None, "path": value}, name, folder)
    if is_list(kind):
        while is_list(kind):
            kind = kind.value_type
        return lambda value, name, folder: _pixels(value, kind.to_pandas_dtype())
    return lambda value, name, folder: BytesImage(value) if value else None


def is_whole(values: Any) -> bool:
    """Whether a pyarrow.ChunkedArray of numbers holds whole ones alone, those aside that are missing."""
    numbers = values.cast("float64").to_numpy()
    numbers = numbers[~np.isnan(numbers)]
    return bool(len(numbers)) and bool((numbers == np.floor(numbers)).all() and np.isfinite(numbers).all())


def label_values(data: str, column: Column, values: Any) -> list[Value]:
    """The labels of a pyarrow.ChunkedArray; None where there is none.

    Raises
    ------
    ValueError
        If a floating point number is not whole.
    """
    import pyarrow

    if pyarrow.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not pyarrow.types.is_floating(values.type):
        found = values.to_pylist()
        return list(map(_as_number, found)) if pyarrow.types.is_boolean(values.type) else found
    found = values.cast("float64").to_pylist()
    for value in found:
        if value is not None and not math.isnan(value) and (math.isinf(value) or value % 1):
            raise ValueError(
                f"{data}: the column {column.name} holds {value:g}, which is the number of no class; set"
                " --images.label to another"
            )
    return [None if value is None or math.isnan(value) else int(value) for value in found]


def _as_number(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _pixels(value: Any, dtype: Any) -> np.ndarray | None:
    """None also for what is not of one shape."""
    try:
        return None if value is None else np.array(value, dtype=dtype)
    except (ValueError, TypeError):
        return None
