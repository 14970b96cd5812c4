"""Checkpoints of a run, and which of them is meant.

Weights are in safetensors, and the optimiser's state is loaded without running pickled code.
"""

import errno
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from eigenstep.record import (
    TABLE_BYTES,
    atomic_folder,
    atomic_remove,
    check_bounded,
    move,
    part_file,
    read_bounded,
    write_part,
)

# Errors that say that there is no such file, or something else in its place; None is of our own ones.
GONE = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)

Weights = Mapping[str, Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Checkpoint:
    """What a run goes on from.

    Attributes
    ----------
    step : int
        How many steps the weights have seen.
    weights : Weights
        Of each part of the run (backbone, projector, ...) its tensors by name.
    optimizer : dict[str, Any]
        The states of the optimiser and of the precision's gradient scaler.
    images : list[dict[str, Any]]
        What each process has counted of the images that it read, by rank.
    measurements : int | None
        How many the record holds of the steps before this one, where it was told.
    """

    step: int
    weights: Weights
    optimizer: dict[str, Any]
    images: list[dict[str, Any]] = field(default_factory=list)
    measurements: int | None = None

    def restore(self, parts: Mapping[str, nn.Module]) -> None:
        """Put the weights into the parts of a run, wherever those are."""
        for name, module in parts.items():
            module.load_state_dict(self.weights[name])


def copy_weights(parts: Mapping[str, nn.Module]) -> Weights:
    """Each part's parameters and buffers as they are now, on the CPU.

    Examples
    --------
    >>> copy_weights({"projector": nn.Linear(2, 1, bias=False)})["projector"].keys()
    dict_keys(['weight'])
    """
    return {
        name: {
            key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, tensor in module.state_dict().items()
        }
        for name, module in parts.items()
    }


def all_finite(weights: Weights) -> bool:
    """Whether no weight is infinite or not a number.

    Examples
    --------
    >>> all_finite({"projector": {"0.weight": torch.tensor([1.0, float("inf")])}})
    False
    """
    tensors = [tensor for part in weights.values() for tensor in part.values()]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write `step_00000300/` atomically and remove all but the latest `keep` ones.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for step in (100, 200, 300):
    ...     made = Checkpoint(step, {"projector": {"weight": torch.ones(2)}}, optimizer={})
    ...     path = save_checkpoint(folder, made, keep=2)
    >>> [each.name for each in find_checkpoints(folder)]
    ['step_00000200', 'step_00000300']
    """
    path = folder / f"step_{checkpoint.step:08d}"
    if not path.exists():
        with atomic_folder(path) as aside:
            _write_weights(aside, checkpoint.weights)
            with part_file(aside / "optimizer.pt") as file:
                torch.save(checkpoint.optimizer, file)
            state = {
                "step": checkpoint.step,
                "images": checkpoint.images,
                "measurements": checkpoint.measurements,
            }
            _write_state(aside, state)
    for old in find_checkpoints(folder)[:-keep]:
        atomic_remove(old)
    return path


def save_best(folder: Path, step: int, weights: Weights) -> Path:
    """Write `best_00000300/`, weights alone, and remove the one that was best before.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for step in (100, 200):
    ...     path = save_best(folder, step, {"projector": {"weight": torch.ones(2)}})
    >>> [each.name for each in folder.iterdir()]
    ['best_00000200']
    """
    path = folder / f"best_{step:08d}"
    if not path.exists():
        with atomic_folder(path) as aside:
            _write_weights(aside, weights)
            _write_state(aside, {"step": step})
    for old in folder.glob("best_*"):
        if old != path:
            atomic_remove(old)
    return path


def find_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first.

    Examples
    --------
    >>> find_checkpoints(Path("no-such-run/checkpoints"))
    []
    """
    return _named(folder, "step")


def find_best(folder: Path) -> Path | None:
    """The weights at which the k-nearest-neighbour probe was best, if a run has kept them.

    Examples
    --------
    >>> find_best(Path("no-such-run/checkpoints"))
    """
    found = _named(folder, "best")
    return found[-1] if found else None


def find_checkpoint(run: str | Path, checkpoint: str | int = "last") -> Path:
    """The folder of a run's checkpoint: "last", "best" (by the k-NN probe) or the number of its step.

    Raises
    ------
    FileNotFoundError
        In one line if there is no run or none of its checkpoints yet.
    ValueError
        If it has others, naming them.
    """
    run = Path(run)
    if not os.path.lexists(run / "config.yaml"):
        raise FileNotFoundError(
            f"there is no run in {run}: expected a folder that eigenstep train has written"
        )
    folder = run / "checkpoints"
    steps, best = find_checkpoints(folder), find_best(folder)
    known = {"last": steps[-1]} if steps else {}
    known |= {"best": best} if best else {}
    known |= {str(_step(path)): path for path in ([best] if best else []) + steps}
    if not known and not folder.exists():
        raise FileNotFoundError(
            f"{run} keeps no checkpoints, as the record of a loop that was watched: expected a run of"
            " eigenstep train; to compare, give files of the embeddings of the same images, or see both"
            " records by eigenstep report FOLDER"
        )
    if not known:
        raise FileNotFoundError(
            f"{run} has no checkpoint yet; its first is written after checkpoint.every steps"
        )
    name = str(checkpoint)
    name = str(int(name)) if name.isdecimal() else name
    if name not in known:
        raise ValueError(f"{run} has no checkpoint {name!r}; it has {', '.join(known)}")
    return known[name]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises
    ------
    FileNotFoundError
        If the folder is not a complete checkpoint.
    ValueError
        If one of its files is damaged.
    OSError, MemoryError
        If they cannot be read for another reason.
    """
    for name in ("backbone.safetensors", "optimizer.pt", "state.json"):
        if not (path / name).is_file():
            raise FileNotFoundError(f"{path} is not a checkpoint to go on from: it has no {name}")
    run = path.parent.parent
    with _readable(path / "state.json"):
        state = json.loads(read_bounded(path / "state.json", folder=run))
        step, images = int(state["step"]), list(state["images"])
        measurements, told = state.get("measurements"), dict(state.get("crc32", {}))
    for name, value in told.items():
        with _readable(path / name):
            check_bounded(path / name, TABLE_BYTES, run)
            if _checksum(path / name) != value:
                raise ValueError("its checksum is that of another file")
    weights = {}
    for file in sorted(path.glob("*.safetensors")):
        with _readable(file):
            check_bounded(file, TABLE_BYTES, run)
            weights[file.stem] = load_file(file)
    with _readable(path / "optimizer.pt"):
        check_bounded(path / "optimizer.pt", TABLE_BYTES, run)
        optimizer = torch.load(path / "optimizer.pt", map_location="cpu", weights_only=True)
        if not isinstance(optimizer, dict):
            raise ValueError(f"expected states by name, got {type(optimizer).__name__}")
    return Checkpoint(step, weights, optimizer, images, measurements)


def take_newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that can be read, None if there is none, and a line on each that cannot.

    Those are put out of the way, as `damaged_step_...`, for the run will write its own.

    Raises
    ------
    ValueError
        If there are some, and none can be read.

    Examples
    --------
    >>> take_newest(Path("no-such-run/checkpoints"))
    (None, [])
    """
    damaged: dict[Path, str] = {}
    for path in reversed(find_checkpoints(folder)):
        try:
            found = load_checkpoint(path)
        except (FileNotFoundError, ValueError) as error:
            damaged[path] = str(error)
            continue
        for each in damaged:
            atomic_remove(folder / f"damaged_{each.name}")
            move(each, folder / f"damaged_{each.name}")
        return found, list(damaged.values())
    if damaged:
        raise ValueError(
            f"no checkpoint in {folder} can be read ({next(iter(damaged.values()))}); start anew with"
            " --overwrite, or with another --out"
        )
    return None, []


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever a damaged file brings becomes one line that names it.

    A disk or a memory that fails is no damage of the file.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in GONE:
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{path} is damaged and cannot be read ({reason})") from error


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the last file of a checkpoint, with the checksums of those before it."""
    told = {path.name: _checksum(path) for path in sorted(folder.iterdir())}
    write_part(folder / "state.json", json.dumps(state | {"crc32": told}))


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def _write_weights(folder: Path, weights: Weights) -> None:
    for name, tensors in weights.items():
        write_part(folder / f"{name}.safetensors", save(dict(tensors)))


def _named(folder: Path, kind: str) -> list[Path]:
    """Folders `KIND_00000300`, in their order."""
    found = folder.glob(f"{kind}_*") if folder.is_dir() else []
    return sorted(path for path in found if re.fullmatch(rf"{kind}_\d+", path.name, re.ASCII))


def _step(path: Path) -> int:
    return int(path.name.rpartition("_")[2])
