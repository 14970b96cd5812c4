"""Files of tensors: torch's, memory-mapped and without unpickling objects, and safetensors."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigenstep.embeddings._rows import Stored


def torch_tensors(path: Path) -> dict[str | None, Stored]:
    """The tensors of a file that torch.save wrote, by their keys and places, joined by dots."""
    try:
        content = _load(path)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds Python objects, which are not loaded since they can run code; save a tensor, or a"
            " dictionary of tensors"
        ) from error
    except Exception as error:  # what is no pickle makes torch's reader stumble anywhere
        raise ValueError(f"{path} is not a file that torch.save wrote") from error
    return {name or None: _stored(tensor) for name, tensor in _walk(content, "")}


def _load(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True, mmap=True, map_location="cpu")
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return torch.load(path, weights_only=True, map_location="cpu")  # as torch wrote before 1.6


def _walk(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, dict | list | tuple):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _walk(value, f"{name}.{key}" if name else str(key))


def _stored(tensor: Tensor) -> Stored:
    dense = tensor.layout == torch.strided and not tensor.is_quantized
    kind = str(tensor.dtype).removeprefix("torch.") if dense else "values that are not dense"

    def pieces(rows: int) -> Iterator[Tensor]:
        yield from tensor.detach().split(rows)

    return Stored(tuple(tensor.shape), kind, dense and not tensor.is_complex(), pieces)


def safetensors_tensors(path: Path) -> dict[str | None, Stored]:
    """The tensors of a .safetensors file."""
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

        return Stored(tuple(shape), kind, kind[0] in "FBIU", pieces)

    try:
        with safe_open(path, framework="pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: stored(name, part.get_shape(), part.get_dtype()) for name, part in parts.items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a .safetensors file ({error})") from error
