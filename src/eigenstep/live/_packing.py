"""Columns of numbers as the page takes them."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eigenstep.record import padded


def pack(values: ArrayLike, kind: str = "<f4") -> dict[str, Any]:
    """An array as base64, with its type and shape; NaN and infinities stay what they are.

    Examples
    --------
    >>> pack([1.0, 2.0])
    {'type': 'f4', 'shape': [2], 'base64': 'AACAPwAAAEA='}
    """
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(values, kind)
    return {
        "type": kind[1:],
        "shape": list(array.shape),
        "base64": base64.b64encode(array.tobytes()).decode(),
    }


def pack_rows(rows: list[tuple[int, np.ndarray]], names: Iterable[str] | None = None) -> dict[str, Any]:
    """Rows of a source, each with its index: `index`, `step`, `time`, and `values` with one list a column.

    Parameters
    ----------
    rows : list[tuple[int, np.ndarray]]
        Pairs of an index and entries (columns,), step and time first.
    names : Iterable[str] | None
        Of the columns; default: none.
    """
    table = padded([row for _, row in rows])
    index = np.array([place for place, _ in rows])
    usable = np.isfinite(table[:, 0])
    table, index = table[usable], index[usable]
    packed = {
        "index": pack(index, "<i4"),
        "step": pack(table[:, 0], "<f8"),
        "time": pack(table[:, 1], "<f8"),
        "values": pack(table[:, 2:].T),
    }
    return packed if names is None else {**packed, "names": list(names)[2 : table.shape[1]]}
