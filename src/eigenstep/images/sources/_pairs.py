"""Pairs of two kinds of data: what is given of each side, and a pair as one row of bytes."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eigenstep.images.sources._items import MixedItems, as_array
from eigenstep.images.sources._own import OwnData
from eigenstep.spelling import python_name


class Side(NamedTuple):
    """What the items of one side are: arrays of one type and shape, such as (C, H, W) or (k,)."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return int(self.dtype.itemsize * math.prod(self.shape))

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class Pairs:
    """Pairs (x_i, y_i) of two kinds of data, for two encoders: images of two sensors, images and vectors.

    To be given as `train(config, out, images=Pairs(x, y), encoder=(of_x, of_y))`. Items of a side are
    tensors or arrays of one type and shape, images (C, H, W) or vectors (k,), or images of PIL of one size.
    No label is read.

    Parameters
    ----------
    first : Any
        An array or tensor (N, ...), or any object with `__len__` and `__getitem__`: the items x_i. Without
        `second` its items are tuples (x_i, y_i).
    second : Any
        The same of y, as many, in the same order.

    Raises
    ------
    TypeError
        For what is no data set.
    ValueError
        If there are not as many x as y, or none.

    Examples
    --------
    >>> pairs = Pairs(np.zeros((4, 3, 8, 8), np.uint8), torch.zeros(4, 5))
    >>> len(pairs), [str(side) for side in pairs.sides]
    (4, ['uint8 (3, 8, 8)', 'float32 (5,)'])
    """

    def __init__(self, first: Any, second: Any = None) -> None:
        self._data = [first] if second is None else [first, second]
        for data in self._data:
            if isinstance(data, str | bytes) or not all(
                hasattr(data, each) for each in ("__len__", "__getitem__")
            ):
                raise TypeError(
                    "Pairs: expected arrays, tensors or data sets with __len__ and __getitem__, got"
                    f" {type(data).__name__}"
                )
        counts = [len(data) for data in self._data]
        if len(set(counts)) > 1:
            raise ValueError(
                f"Pairs: expected as many items on both sides, item i of both one pair, got {counts[0]} and"
                f" {counts[1]}"
            )
        if not counts[0]:
            raise ValueError("Pairs: expected at least one pair, got none")

    def __len__(self) -> int:
        return len(self._data[0])

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Both sides of a pair. Raises ValueError if they are not as those of the first, or not finite."""
        arrays = self._arrays(row)
        for name, array, side in zip(("first", "second"), arrays, self.sides, strict=True):
            if (array.dtype, array.shape) != side:
                raise MixedItems(
                    f"Pairs: expected the {name} side of every pair to be {side}, as in the first, got"
                    f" {array.dtype} {array.shape} in pair {row}; crop, pad or convert them in the data set"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"the {name} side holds NaN or infinity")
        return arrays

    @cached_property
    def sides(self) -> tuple[Side, Side]:
        """What either side consists of, by the first pair that can be had.

        Raises
        ------
        ValueError
            In one line if there is none.
        """
        reason = ""
        for row in range(len(self)):
            try:
                first, second = self._arrays(row)
            except Exception as error:  # a data set may raise anything
                reason = reason or str(error).strip().partition("\n")[0] or type(error).__name__
                continue
            return Side(first.dtype, first.shape), Side(second.dtype, second.shape)
        raise ValueError(f"Pairs: none of its {len(self)} pairs can be used; pair 0: {reason}")

    def unpack(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides (b, ...) of pairs that are rows of bytes, uint8 (b, n), as `as_source` gives them."""
        parts = rows.split([side.nbytes for side in self.sides], dim=1)
        first, second = (
            part.clone(memory_format=torch.contiguous_format)
            .view(torch.from_numpy(np.empty(0, side.dtype)).dtype)
            .reshape(len(rows), *side.shape)
            for part, side in zip(parts, self.sides, strict=True)
        )
        return first, second

    def as_source(self) -> OwnData:
        """A data set whose items are pairs, one row of bytes each, which batches and streams keep."""
        return OwnData(python_name(self), {"train": _PackedPairs(self)}, as_tensors=True)

    def _arrays(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        items: Sequence[Any] = [data[row] for data in self._data]
        if len(items) == 1:
            items = items[0]
            if not isinstance(items, tuple | list) or len(items) != 2:
                kind = f"{type(items).__name__}" + (
                    f" of {len(items)}" if isinstance(items, tuple | list) else ""
                )
                raise ValueError(f"expected items (x, y), or Pairs(x, y) of two data sets, got {kind}")
        return _array(items[0]), _array(items[1])


class _PackedPairs:
    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, row: int) -> np.ndarray:
        arrays = self.pairs[row]
        return np.concatenate([np.ascontiguousarray(each).reshape(-1).view(np.uint8) for each in arrays])


def _array(item: Any) -> np.ndarray:
    if isinstance(item, Image.Image):
        pixels = np.asarray(item)
        return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
    return np.atleast_1d(as_array(item))
