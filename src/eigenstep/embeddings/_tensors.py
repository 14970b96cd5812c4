"""Files of tensors: torch's, memory-mapped and without unpickling objects, and safetensors."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._as_tensor import as_tensor
from eigenstep.embeddings._joined import batches, by_name, vectors
from eigenstep.embeddings._pickled_arrays import NUMPY_GLOBALS, PickledArray
from eigenstep.embeddings._stored import Content, Stored, is_vector, texts


def torch_content(path: Path) -> Content:
    """What torch.save wrote: tensors and lists of texts by their keys and places, joined by dots.

    Lists of batches, of vectors and of dictionaries of either, and dictionaries of vectors are joined to one
    array each. `description` may be a text beside them.
    """
    try:
        content = _load(path)
        found = _Found(str(path))
        found.add(content, "")
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds Python objects, which are not loaded since they can run code; save a tensor, or a"
            " dictionary of tensors"
        ) from error
    except Exception as error:  # what is no pickle makes torch's reader stumble anywhere
        raise ValueError(f"{path} is not a file that torch.save wrote") from error
    told = content.get("description", "") if isinstance(content, dict) else ""
    arrays, parts = (
        {name or None: each for name, each in held.items()} for held in (found.arrays, found.parts)
    )
    return Content(arrays, told if isinstance(told, str) else "", parts)


def _load(path: Path) -> Any:
    with torch.serialization.safe_globals(NUMPY_GLOBALS):
        try:
            return torch.load(path, weights_only=True, mmap=True, map_location="cpu")
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            return torch.load(path, weights_only=True, map_location="cpu")  # as torch wrote before 1.6


class _Found:
    """The arrays that a file's content holds, and the parts of those that are joined."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.arrays: dict[str, Stored] = {}
        self.parts: dict[str, Stored] = {}

    def add(self, content: Any, name: str) -> None:
        """Take what is there, under this name."""
        content = _tensor(content)
        if isinstance(content, Tensor):
            self.arrays[name] = _stored(content)
        elif isinstance(content, list | tuple) and content and all(isinstance(each, str) for each in content):
            self.arrays[name] = texts(list(content))
        elif isinstance(content, dict | list | tuple):
            names = list(map(str, content if isinstance(content, dict) else range(len(content))))
            elements = [
                _tensor(each) for each in (content.values() if isinstance(content, dict) else content)
            ]
            keys = names if isinstance(content, dict) else None
            if not self._join(elements, keys, name, in_order=isinstance(content, list)):
                for key, value in zip(names, elements, strict=True):
                    self.add(value, f"{name}.{key}" if name else key)

    def _join(self, elements: list[Any], keys: list[str] | None, name: str, *, in_order: bool) -> bool:
        """Whether the elements are the parts of one array, or of one for each of their keys."""
        columns = {name: elements}
        if len(elements) > 1 and (fields := _fields(elements)):
            columns = {
                f"{name}.{field}" if name else field: [_tensor(_get(each, field)) for each in elements]
                for field in fields
            }
        # Of records that hold matrices, each is a batch; others are one row each.
        firsts = [column[0] for column in columns.values() if column]
        as_batches = any(isinstance(first, Tensor) and _is_matrix(first) for first in firsts)
        if as_batches and not in_order:
            return False
        joined = {}
        for key, column in columns.items():
            found = self._batched(column) if as_batches else self._rows(column, keys)
            if found is not None:
                joined[key] = found
        if not any(each.is_embeddings for each in joined.values()):
            return False
        self.arrays |= joined
        if keys is not None:
            self.arrays.setdefault(f"{name}.id" if name else "id", texts(keys))
        if as_batches and len(columns) == 1:
            self.parts |= {
                f"{name}.{at}" if name else str(at): _stored(each) for at, each in enumerate(elements)
            }
        return True

    def _batched(self, column: list[Any]) -> Stored | None:
        if all(map(_is_dense, column)):
            return batches(column)
        if all(
            isinstance(each, list | tuple) and all(isinstance(one, str) for one in each) for each in column
        ):
            return texts([one for each in column for one in each])
        return None

    def _rows(self, column: list[Any], keys: list[str] | None) -> Stored | None:
        if all(map(_is_dense, column)):
            shapes = [tuple(each.shape) for each in column]
            kinds = [str(each.dtype).removeprefix("torch.") for each in column]
            if set(shapes) <= {(), (1,)}:
                return _stored(torch.cat([each.reshape(1) for each in column]))
            return vectors(shapes, kinds, lambda part: iter(column[part]), keys, self.path)
        if all(isinstance(each, str) for each in column):
            return texts(column)
        if all(isinstance(each, int | float) for each in column):
            return _stored(torch.from_numpy(np.array(column)))
        return None


def _fields(elements: Sequence[Any]) -> list[str]:
    """The names of the values that each of the elements has, if all have the same."""
    first = elements[0]
    if isinstance(first, Mapping) and first:
        same = all(isinstance(each, Mapping) and each.keys() == first.keys() for each in elements)
        return list(map(str, first)) if same and all(isinstance(key, str) for key in first) else []
    if isinstance(first, tuple) and first:
        same = all(isinstance(each, tuple) and len(each) == len(first) for each in elements)
        return list(map(str, range(len(first)))) if same else []
    return []


def _get(element: Any, field: str) -> Any:
    return element[field] if isinstance(element, Mapping) else element[int(field)]


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.ndim > 1 and not is_vector(tuple(tensor.shape))


def _tensor(content: Any) -> Any:
    """A tensor of what is an array of numbers in another form; all else as it is."""
    if isinstance(content, PickledArray):
        array = content.array()
        if array is None:
            return None
        return as_tensor(array) if array.dtype.kind in "fiub" else array.tolist()
    if not isinstance(content, list) or not content:
        return content
    first = content[0][0] if isinstance(content[0], list) and content[0] else content[0]
    if not isinstance(first, int | float):
        return content
    try:
        array = np.array(content)
    except ValueError:  # rows of several lengths
        return content
    return torch.from_numpy(array) if array.dtype.kind in "fiub" else content


def _stored(tensor: Tensor) -> Stored:
    dense = _is_dense(tensor)
    kind = str(tensor.dtype).removeprefix("torch.") if dense else "values that are not dense"

    def pieces(rows: int) -> Iterator[Tensor]:
        for start in range(0, len(tensor), rows):
            yield tensor.detach()[start : start + rows]

    def whole() -> NDArray[Any]:
        values: NDArray[Any] = tensor.detach().numpy()
        return values

    return Stored(tuple(tensor.shape), kind, dense and not tensor.is_complex(), pieces, whole)


def safetensors_content(path: Path) -> Content:
    """The tensors of a .safetensors file, and what its metadata hold under `eigenstep`."""
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{path}: .safetensors files need more packages; install them by pip install 'eigenstep[train]'"
        ) from error

    def stored(name: str, shape: list[int], kind: str) -> Stored:
        def pieces(rows: int) -> Iterator[Tensor]:
            with safe_open(path, framework="pt") as file:
                part = file.get_slice(name)
                for start in range(0, shape[0], rows):
                    yield part[start : start + rows]

        def whole() -> NDArray[Any]:
            with safe_open(path, framework="pt") as file:
                values: NDArray[Any] = file.get_tensor(name).numpy()
                return values

        return Stored(tuple(shape), kind, kind[0] in "FBIU", pieces, whole)

    def read(names: Sequence[str]) -> Iterator[Tensor]:
        with safe_open(path, framework="pt") as file:
            for name in names:
                yield file.get_tensor(name)

    try:
        with safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            arrays: dict[str | None, Stored] = {
                name: stored(name, part.get_shape(), part.get_dtype()) for name, part in parts.items()
            }
            told = (file.metadata() or {}).get("eigenstep", "")
    except SafetensorError as error:
        raise ValueError(f"{path} is not a .safetensors file ({error})") from error
    return by_name(path, arrays, read) or Content(arrays, told)
