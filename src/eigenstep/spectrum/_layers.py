"""Layers of a model by name."""

import difflib

from torch import nn

# What wrappers put before a layer's name: DistributedDataParallel, torch.compile, FullyShardedDataParallel.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module")


def find_layers(model: nn.Module, names: list[str]) -> dict[str, nn.Module]:
    """The modules that are named as in `model.named_modules()`, but for the names that wrappers add.

    Raises ValueError for a name that is not there, with those that are most like it, and for DataParallel.
    """
    if isinstance(model, nn.DataParallel):
        raise ValueError(
            "DataParallel runs copies of the model's layers; watch DistributedDataParallel instead"
        )
    if not names:
        raise ValueError("expected the name of at least one layer")
    layers: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        layers.setdefault(".".join(part for part in name.split(".") if part not in WRAPPERS), module)
    for name in names:
        if name not in layers:
            near = " or ".join(map(repr, _nearest(name, list(layers))))
            raise ValueError(
                f"{type(model).__name__} has no layer {name!r}; did you mean {near}?"
                " model.named_modules() lists them all"
            )
    return {name: layers[name] for name in names}


def innermost(model: nn.Module) -> nn.Module:
    """The model that wrappers wrap."""
    for name in WRAPPERS:
        wrapped = getattr(model, name, None)
        if isinstance(wrapped, nn.Module) and len(list(model.children())) == 1:
            return innermost(wrapped)
    return model


def _nearest(name: str, layers: list[str]) -> list[str]:
    """Layers with the same last part, then those spelled alike, else the outermost ones."""
    last = name.rsplit(".", 1)[-1]
    same = [layer for layer in layers if layer and layer.rsplit(".", 1)[-1] == last]
    alike = difflib.get_close_matches(name, layers, n=3, cutoff=0.5)
    outermost = [layer for layer in layers if layer and "." not in layer]
    return list(dict.fromkeys(same[:3] + alike))[:4] or outermost[:8] or [""]
