"""Values of pixels as stored ones, which use the whole range of their type."""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels

# The stored value of 1, by type.
TOPS = {"uint8": 255, "uint16": 65535, "float32": 1}
# Whole numbers that span as many values are stored as uint16.
SPAN = 65536


def stored_dtype(
    kinds: Iterable[DTypeLike], value_range: tuple[float, float] | None
) -> Literal["uint8", "uint16", "float32"]:
    """The type that holds images of all of these types, of which `value_range` becomes 0 and 1.

    Examples
    --------
    >>> stored_dtype(["uint8", "int64"], (0, 4095)), stored_dtype(["int64"], (0, 1e6))
    ('uint16', 'float32')
    """
    types = [np.dtype(kind) for kind in kinds]
    if any(each.kind == "f" for each in types):
        return "float32"
    if all(each.itemsize == 1 for each in types):
        return "uint8"
    low, high = value_range or (0, SPAN - 1)
    return "uint16" if math.ceil(high) - math.floor(low) < SPAN else "float32"


def range_of(dtype: DTypeLike, config: ImagesConfig, pixels: Pixels) -> tuple[float, float]:
    """Which values of an image become 0 and 1.

    A range that was asked for holds for every image. Without, bool, uint8 and uint16 use all of their type,
    and all others the range that was found in the data set.

    Raises
    ------
    ValueError
        If nothing says what the range is.

    Examples
    --------
    >>> from eigenstep.images import Pixels
    >>> range_of(np.uint8, ImagesConfig(), Pixels())
    (0.0, 255.0)
    """
    own = own_range(dtype)
    if own is not None and config.range is None:
        return own
    if pixels.range is None:
        raise ValueError(f"its values are {np.dtype(dtype)}, whose range nothing says; set --images.range")
    return pixels.range


def own_range(dtype: DTypeLike) -> tuple[float, float] | None:
    """The range that a type itself says: of bool, uint8 and uint16; None of others.

    Examples
    --------
    >>> own_range(np.uint8), own_range(np.float32)
    ((0.0, 255.0), None)
    """
    return {"bool": (0.0, 1.0), "uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}.get(np.dtype(dtype).name)


def scaled(values: np.ndarray, low: float, high: float, top: float) -> tuple[np.ndarray, bool]:
    """Values as float32 from 0, for `low` and less, to `top`, for `high` and more, not rounded.

    NaN and minus infinity become 0, infinity becomes `top`; the second tells whether there are any of these.
    """
    if values.dtype.kind in "bu" and (low, high) == own_range(values.dtype):
        return values.astype(np.float32) * np.float32(top / high), False
    wide = values.astype(np.float64)
    has_gaps = values.dtype.kind == "f" and not np.isfinite(wide).all()
    if has_gaps:
        wide = np.nan_to_num(wide, nan=low, posinf=high, neginf=low)
    share = (np.clip(wide, low, high) - low) / (high - low)
    return (share * top).astype(np.float32), has_gaps


def as_type(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 from 0 to the type's top as that type, rounded where it is one of whole numbers."""
    values = np.clip(values, 0, TOPS[dtype])  # resizing may err by a last digit
    return (values if dtype == "float32" else np.rint(values)).astype(dtype)
