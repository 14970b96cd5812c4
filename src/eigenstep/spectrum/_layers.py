"""Layers of a model by name, and their outputs as embeddings."""

import difflib
from typing import Any

from torch import Tensor, nn

# What wrappers put before a layer's name: DistributedDataParallel, torch.compile, FullyShardedDataParallel.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module")


def find_layers(model: nn.Module, names: list[str]) -> dict[str, nn.Module]:
    """The modules that are named as `model.named_modules()` does, but for the names that wrappers add.

    Raises ValueError for a name that is not there, with those that are most like it.
    """
    layers: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        layers.setdefault(".".join(part for part in name.split(".") if part not in WRAPPERS), module)
    for name in names:
        if name not in layers:
            near = difflib.get_close_matches(name, layers, n=3, cutoff=0.4)
            near += [other for other in layers if name and name in other.split(".")][:3]
            known = near or [other for other in layers if other and "." not in other]
            raise ValueError(
                f"{type(model).__name__} has no layer {name!r}; did you mean one of"
                f" {', '.join(dict.fromkeys(known))}? model.named_modules() lists them"
            )
    return {name: layers[name] for name in names}


def as_embeddings(output: Any, layer: str) -> Tensor:
    """A layer's output as embeddings (n, d), a copy.

    Feature maps (n, c, h, w) are averaged over their positions, sequences (n, t, c) over their tokens.
    Raises TypeError for what is no tensor, ValueError for another shape.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"layer {layer!r} gave {type(output).__name__}, expected a tensor; watch a layer that gives one,"
            " or say how to get it: pool=lambda output: output[0]"
        )
    if not 2 <= output.ndim <= 4 or not output.is_floating_point():
        raise ValueError(
            f"layer {layer!r} gave {output.dtype} of shape {tuple(output.shape)}; expected (n, d), (n, t, c)"
            " or (n, c, h, w) of floating point, or say how to get it: pool=lambda output: ..."
        )
    values = output.detach()
    if values.ndim == 2:
        return values.clone()
    return values.float().mean((2, 3) if values.ndim == 4 else 1)
