"""Checkpoints: weights in safetensors, the optimiser's state loaded without running pickled code."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from eigenstep.atomic import atomic_folder, atomic_remove


def copy_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The model's parameters and buffers as they are now, on the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def save_checkpoint(
    folder: Path, step: int, weights: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer, keep: int
) -> Path | None:
    """Write `step_00000300/` atomically and remove all but the latest `keep` ones.

    Returns None, and writes nothing, if a weight is not finite: the last good checkpoint stays.
    """
    if not all(torch.isfinite(tensor).all() for tensor in weights.values() if tensor.is_floating_point()):
        return None
    path = folder / f"step_{step:08d}"
    with atomic_folder(path) as aside:
        save_file(weights, aside / "model.safetensors")
        torch.save(optimizer.state_dict(), aside / "optimizer.pt")
        (aside / "state.json").write_text(json.dumps({"step": step}))
    for old in find_checkpoints(folder)[:-keep]:
        atomic_remove(old)
    return path


def find_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(folder.glob("step_*")) if folder.is_dir() else []


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore weights and the optimiser's state; returns the number of steps they have seen."""
    model.load_state_dict(load_file(path / "model.safetensors"))
    optimizer.load_state_dict(torch.load(path / "optimizer.pt", map_location="cpu", weights_only=True))
    return int(json.loads((path / "state.json").read_text())["step"])
