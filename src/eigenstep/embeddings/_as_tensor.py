"""Arrays of any library as tensors."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_tensor(values: Any, name: str = "embeddings") -> Tensor:
    """Real numbers that any library holds, as a tensor: a view of their memory wherever torch can have one.

    A tensor is returned as it is, with its device, type and gradient. What lies on another device by
    `__dlpack__` stays there. The result must not be written to: the memory may be read-only.

    Parameters
    ----------
    values : Any
        A tensor; a NumPy array of any byte order and strides; a data frame; what has `__dlpack__` or
        `__array__`; or a list of rows. Masked values become NaN.
    name : str
        What they are, for errors.

    Raises
    ------
    TypeError
        For anything else, and if it holds anything but real numbers.
    ValueError
        For rows of several lengths.

    Examples
    --------
    >>> as_tensor(np.arange(3.0)[::-1])
    tensor([2., 1., 0.], dtype=torch.float64)
    """
    if isinstance(values, Tensor):
        found = values
    elif isinstance(values, list | tuple):
        found = _of_rows(values, name)
    else:
        shared = None if isinstance(values, np.ndarray) else _shared(values)
        found = _of_array(_array(values, name), values, name) if shared is None else shared
    if found.is_complex():
        raise TypeError(f"expected {name} of real numbers, got {found.dtype}; take its real part")
    return found


def as_float64(values: Any, name: str = "embeddings") -> Tensor:
    """What `as_tensor` takes, in float64 on the CPU and without gradient; it must not be written to.

    Examples
    --------
    >>> as_float64([[1, 2]])
    tensor([[1., 2.]], dtype=torch.float64)
    """
    return as_tensor(values, name).detach().cpu().to(torch.float64)


def type_name(values: Any) -> str:
    """The type of a value as people write it.

    Examples
    --------
    >>> type_name(np.zeros(3)), type_name("word")
    ('numpy.ndarray', 'str')
    """
    kind = type(values)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def wide_type(kind: torch.dtype) -> torch.dtype:
    """The type that numbers of a type are computed in: float64 for float64, float32 for all others.

    torch itself neither promotes float8 nor sums it.

    Examples
    --------
    >>> wide_type(torch.float8_e4m3fn), wide_type(torch.float64)
    (torch.float32, torch.float64)
    """
    return torch.float64 if kind == torch.float64 else torch.float32


def _of_rows(rows: list[Any] | tuple[Any, ...], name: str) -> Tensor:
    try:
        if any(hasattr(row, "__dlpack__") or hasattr(row, "__array__") for row in rows):
            return torch.stack([as_tensor(row, name) for row in rows])
        return _of_array(np.asarray(rows), rows, name)
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]  # torch's and NumPy's words for several shapes, or devices
        raise ValueError(f"expected {name} as rows of one length: {reason}") from error


def _shared(values: Any) -> Tensor | None:
    """What an array exports, where it is, or None if torch can't take it so."""
    try:
        if hasattr(values, "__dlpack__"):
            return torch.utils.dlpack.from_dlpack(values)
        if hasattr(values, "__cuda_array_interface__"):
            return torch.as_tensor(values)
    except (BufferError, TypeError, RuntimeError, ValueError):  # its strides or type, or a device not here
        pass
    return None


def _array(values: Any, name: str) -> NDArray[Any]:
    """The values on the CPU, with NaN for those that are missing."""
    columns = _columns(values)
    try:
        if isinstance(values, np.ma.MaskedArray):
            return _filled(values)
        only_exports = hasattr(values, "__dlpack__") and not hasattr(values, "__array__")
        array = np.from_dlpack(values) if only_exports else np.asarray(values)
        if array.dtype.hasobject and columns and all(_is_real(each) for _, each in columns):
            array = values.to_numpy(np.float64, na_value=np.nan)  # pandas' own types, which give objects
    except Exception as error:  # whatever another library refuses with
        reason = str(error).strip().partition("\n")[0]
        raise TypeError(f"{name}: {type_name(values)} gives no array ({reason})") from error
    if array.ndim == 0 and not _is_real(array.dtype):
        dense = "; convert with .toarray()" if hasattr(values, "toarray") else ""
        raise TypeError(f"expected {name} as a tensor, an array or rows, got {type_name(values)}{dense}")
    return array


def _filled(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    kind = values.dtype if values.dtype.kind == "f" else np.float64
    filled: NDArray[Any] = np.ma.filled(values.astype(kind), np.nan)
    return filled


def _columns(values: Any) -> list[tuple[Any, Any]]:
    """A data frame's columns by name, with their types."""
    kinds: Any = getattr(values, "dtypes", None)
    return list(kinds.items()) if hasattr(kinds, "items") and hasattr(values, "to_numpy") else []


def _is_real(kind: Any) -> bool:
    return getattr(kind, "kind", "") in ("f", "i", "u", "b")


def _of_array(array: NDArray[Any], given: Any, name: str) -> Tensor:
    kind = array.dtype
    if kind.kind == "V" and isinstance(getattr(torch, kind.name, None), torch.dtype):
        # bfloat16 and its like, which NumPy knows from ml_dtypes, by their bits.
        return _of_array(array.view(f"u{kind.itemsize}"), given, name).view(getattr(torch, kind.name))
    if not _is_real(kind) and kind.kind != "c":
        words = ", ".join(f"{column!r} ({each})" for column, each in _columns(given) if not _is_real(each))
        advice = f"; leave out its columns {words}" if words else ""
        raise TypeError(f"expected {name} of real numbers, got {type_name(given)} of {kind}{advice}")
    if kind.kind == "f" and kind.itemsize > 8:
        array = array.astype(np.float64)
    elif not kind.isnative:
        array = array.astype(kind.newbyteorder("="))
    if any(step < 0 or step % array.itemsize for step in array.strides):
        array = array.copy()
    return torch.from_numpy(array if array.flags.writeable else np.asarray(_Writable(array)))


class _Writable:
    """A read-only array as torch takes it without a warning, whose filter would not be safe in threads."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}
