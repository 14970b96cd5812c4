"""Files of tensors: torch's, memory-mapped and without unpickling objects, and safetensors."""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._stored import Content, Stored


def torch_content(path: Path) -> Content:
    """What torch.save wrote: tensors and lists of texts by their keys and places, joined by dots.

    `description` may be a text beside them.
    """
    try:
        content = _load(path)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds Python objects, which are not loaded since they can run code; save a tensor, or a"
            " dictionary of tensors"
        ) from error
    except Exception as error:  # what is no pickle makes torch's reader stumble anywhere
        raise ValueError(f"{path} is not a file that torch.save wrote") from error
    told = content.get("description", "") if isinstance(content, dict) else ""
    arrays = {name or None: stored for name, stored in _walk(content, "")}
    return Content(arrays, told if isinstance(told, str) else "")


def _load(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True, mmap=True, map_location="cpu")
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return torch.load(path, weights_only=True, map_location="cpu")  # as torch wrote before 1.6


def _walk(content: Any, name: str) -> Iterator[tuple[str, Stored]]:
    if isinstance(content, Tensor):
        yield name, _stored(content)
    elif isinstance(content, list | tuple) and content and all(isinstance(each, str) for each in content):
        yield name, _texts(content)
    elif isinstance(content, dict | list | tuple):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _walk(value, f"{name}.{key}" if name else str(key))


def _stored(tensor: Tensor) -> Stored:
    dense = tensor.layout == torch.strided and not tensor.is_quantized
    kind = str(tensor.dtype).removeprefix("torch.") if dense else "values that are not dense"

    def pieces(rows: int) -> Iterator[Tensor]:
        for start in range(0, len(tensor), rows):
            yield tensor.detach()[start : start + rows]

    def whole() -> NDArray[Any]:
        values: NDArray[Any] = tensor.detach().numpy()
        return values

    return Stored(tuple(tensor.shape), kind, dense and not tensor.is_complex(), pieces, whole)


def _texts(content: Sequence[str]) -> Stored:
    return Stored(
        (len(content),), "texts", False, lambda rows: iter(()), lambda: np.array(content, dtype=str)
    )


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

    try:
        with safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            arrays: dict[str | None, Stored] = {
                name: stored(name, part.get_shape(), part.get_dtype()) for name, part in parts.items()
            }
            return Content(arrays, (file.metadata() or {}).get("eigenstep", ""))
    except SafetensorError as error:
        raise ValueError(f"{path} is not a .safetensors file ({error})") from error
