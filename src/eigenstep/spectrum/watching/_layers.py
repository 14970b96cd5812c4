"""Layers of a model by name."""

import difflib

import torch
from torch import nn

# The names under which torch.compile, FullyShardedDataParallel and checkpoint wrappers hold what they wrap,
# and the classes that hold it as `module`, which is a name that layers have, too.
HELD_AS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
HOLD_A_MODULE = ("DistributedDataParallel", "AveragedModel", "DeepSpeedEngine")


def find_layers(model: nn.Module, names: list[str]) -> dict[str, nn.Module]:
    """The modules that are named as in `model.named_modules()`, with or without what wrappers add to names.

    Raises
    ------
    ValueError
        For a name that is not there, with those that are most like it; for DataParallel and scripted models.
    """
    if isinstance(model, nn.DataParallel):
        raise ValueError(
            "DataParallel runs copies of the model's layers; watch DistributedDataParallel instead"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("a scripted model runs no hooks of Python; watch the model that it was made of")
    if not names:
        raise ValueError("expected the name of at least one layer")
    full = dict(model.named_modules(remove_duplicate=False))
    short: dict[str, nn.Module] = {}
    for name, module in full.items():
        short.setdefault(_without_wrappers(full, name), module)
    layers = short | full
    for name in names:
        if name not in layers:
            near = " or ".join(map(repr, _nearest(name, list(short))))
            raise ValueError(
                f"{type(model).__name__} has no layer {name!r}; did you mean {near}?"
                " model.named_modules() lists them all"
            )
    return {name: layers[name] for name in names}


def innermost(model: nn.Module) -> nn.Module:
    """The model that wrappers wrap."""
    for name, child in model.named_children():
        if _is_held(model, name):
            return innermost(child)
    return model


def _without_wrappers(modules: dict[str, nn.Module], name: str) -> str:
    parts = name.split(".")
    holders = [modules[".".join(parts[:depth])] for depth in range(len(parts))]
    return ".".join(
        part for holder, part in zip(holders, parts, strict=True) if name and not _is_held(holder, part)
    )


def _is_held(holder: nn.Module, name: str) -> bool:
    return name in HELD_AS or (name == "module" and type(holder).__name__ in HOLD_A_MODULE)


def _nearest(name: str, layers: list[str]) -> list[str]:
    """Layers with the same last part, then those spelled alike, else the outermost ones."""
    last = name.rsplit(".", 1)[-1]
    same = [layer for layer in layers if layer and layer.rsplit(".", 1)[-1] == last]
    alike = difflib.get_close_matches(name, layers, n=3, cutoff=0.5)
    outermost = [layer for layer in layers if layer and "." not in layer]
    return list(dict.fromkeys(same[:3] + alike))[:4] or outermost[:8] or [""]
