"""Files of weights, whoever wrote them, as tensors by name; no code in them is run."""

import argparse
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from eigenstep.encoders._checkpoints import find_checkpoint
from eigenstep.record import CONFIG, SMALL_BYTES, read_bounded

# Of a folder, which file is taken: our own checkpoints', then those of Hugging Face transformers.
IN_FOLDERS = (
    "backbone.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
)
# Parts of names that torch's wrappers put in, wherever.
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
# Dictionaries within dictionaries that are looked into; a pickle may hold itself.
DEPTH = 6


def find_weights(path: str | Path) -> Path:
    """The file that is meant by a file, a run folder, a checkpoint's folder or a folder of transformers.

    Raises
    ------
    FileNotFoundError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "mine.safetensors").write_bytes(b"")
    ...     find_weights(f"{folder}/mine.safetensors").name
    'mine.safetensors'
    """
    path = Path(path)
    if path.is_dir() and (path / CONFIG).is_file():
        return find_checkpoint(path) / IN_FOLDERS[0]
    if path.is_dir():
        for name in IN_FOLDERS:
            if (path / name).is_file():
                return path / name
        raise FileNotFoundError(
            f"there is no file of weights in the folder {path}: expected a run folder, one of its"
            f" checkpoints, or a folder with one of {', '.join(IN_FOLDERS[1:])}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    return path


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file of safetensors, of an index of several, or of torch's format (.pth, .ckpt).

    The content decides which, not the suffix. Dictionaries within dictionaries become one, their names joined
    by dots; what is no tensor is left out, and so are the names that torch's wrappers put in.

    Parameters
    ----------
    path : str | Path
        The file, or a folder, as of `find_weights`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        In one line if it holds no weights, or such as only running its code would give.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "checkpoint.ckpt"
    >>> torch.save({"epoch": 3, "state_dict": {"model.fc.weight": torch.eye(2)}}, file)
    >>> list(read_weights(file))
    ['state_dict.model.fc.weight']
    """
    path = find_weights(path)
    try:
        tensors = _read(path)
        if not tensors:
            raise ValueError("it holds no tensors by names")
    except Exception as error:  # torch, pickle and safetensors each have their own
        raise ValueError(
            f"{path} cannot be read as weights: expected .safetensors, or tensors saved by torch"
            f" ({_reason(path, error)})"
        ) from error
    return tensors


def _read(path: Path) -> dict[str, Tensor]:
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:] == b"{":
        return _plain(load_file(path))
    from lightning_fabric.utilities.data import AttributeDict

    # Two classes that hold nothing but values: arguments of a command line, and Lightning's hyperparameters.
    with torch.serialization.safe_globals([argparse.Namespace, AttributeDict]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about pickles that it does not write
        return _plain(torch.load(path, map_location="cpu", weights_only=True))


def _read_shards(index: Path) -> dict[str, Tensor]:
    shards = sorted(set(json.loads(read_bounded(index, 64 * SMALL_BYTES))["weight_map"].values()))
    outside = [name for name in shards if Path(name).name != name]
    if outside:
        raise ValueError(f"it names a file outside of its folder: {outside[0]!r}")
    found: dict[str, Tensor] = {}
    for name in shards:
        found |= _plain(load_file(index.parent / name))
    return found


def _plain(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds {type(content).__name__}, and no tensors by names")
    return dict(_walk(content, "", DEPTH))


def _walk(content: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    for key, value in content.items():
        if not isinstance(key, str):
            continue  # of an optimiser's state
        if isinstance(value, Tensor):
            name = prefix + key
            for wrapper in WRAPPERS:
                name = name.replace(wrapper, "")
            if value.layout == torch.strided and not value.is_quantized and not value.is_meta:
                yield name, value.detach()
        elif isinstance(value, Mapping) and depth:
            yield from _walk(value, f"{prefix}{key}.", depth - 1)


def _reason(path: Path, error: Exception) -> str:
    if not path.stat().st_size:
        return "it is empty"
    told = isinstance(error, ValueError | OSError | RuntimeError | SafetensorError) and str(error)
    if told and "weights_only" not in str(error) and "Unsupported" not in str(error):
        return " ".join(str(error).split())
    try:
        needed = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # it is no pickle of torch's at all
        needed = []
    if not needed:
        return "it is no file of torch, or a damaged one"
    return (
        f"it would have to run code: {', '.join(needed[:3])}; where you trust it, save its tensors alone by"
        " torch.save(model.state_dict(), FILE)"
    )
