"""NumPy's arrays in a file of torch.save, read without NumPy's own unpickling, which trusts what it reads."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PickledArray:
    """An array of plain numbers or texts, from what a pickle says of it."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.kind, self.fortran, self.content = state

    def array(self) -> NDArray[Any] | None:
        """The array; None of other types. Raises ValueError where it is not whole."""
        if isinstance(self.content, list):
            values: NDArray[Any] = np.empty(len(self.content), object)
            values[:] = self.content
            return values.reshape(self.shape)
        kind = self.kind.plain()
        if kind is None:
            return None
        return np.frombuffer(self.content, kind).reshape(self.shape, order="F" if self.fortran else "C")


class _Kind:
    """A type of numbers."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code
        self.big_endian = False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.big_endian = state[1] == ">"

    def plain(self) -> np.dtype[Any] | None:
        kind = np.dtype(self.code).newbyteorder(">" if self.big_endian else "<")
        return kind if kind.kind in "fiubU" else None


def _array(*_: Any) -> PickledArray:
    return PickledArray()


def _number(kind: _Kind, content: bytes) -> Any:
    known = kind.plain()
    return None if known is None else np.frombuffer(content, known)[0].item()


def _bytes(text: str, _: str) -> bytes:
    return text.encode("latin1")


# What a pickle names, of NumPy 2 and before, and what is called in its place.
NUMPY_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((_array, f"numpy.{core}.multiarray._reconstruct") for core in ("_core", "core")),
    *((_number, f"numpy.{core}.multiarray.scalar") for core in ("_core", "core")),
    (PickledArray, "numpy.ndarray"),
    (_Kind, "numpy.dtype"),
    (_bytes, "_codecs.encode"),
]
