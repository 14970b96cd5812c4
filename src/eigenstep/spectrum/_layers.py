"""Layers of a model by name, and the embeddings that they give of training's batches and of a fixed one."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# What wrappers put before a layer's name: DistributedDataParallel, torch.compile, FullyShardedDataParallel.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module")
# Side of the thumbnails kept of a probe batch of images, in pixels.
THUMBNAIL_SIDE = 32


def find_layers(model: nn.Module, names: list[str]) -> dict[str, nn.Module]:
    """The modules that are named as in `model.named_modules()`, but for the names that wrappers add.

    Raises
    ------
    ValueError
        For a name that is not there, with those that are most like it, and for DataParallel.
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


def as_embeddings(output: Any, layer: str) -> Tensor:
    """A layer's output as embeddings (n, d), a copy.

    Feature maps (n, c, h, w) are averaged over their positions, sequences (n, t, c) over their tokens.

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        For another shape.
    """
    if not isinstance(output, Tensor):
        raise TypeError(
            f"layer {layer!r} gave {type(output).__name__}, expected a tensor; watch a layer that gives one,"
            " or say how to get it: pool=lambda output: output[0]"
        )
    if output.ndim not in (2, 3, 4) or not output.is_floating_point():
        raise ValueError(
            f"layer {layer!r} gave {output.dtype} of shape {tuple(output.shape)}, expected floating point"
            " (n, d), (n, t, c) or (n, c, h, w); say how to get embeddings: pool=lambda output: ..."
        )
    values = output.detach()
    if values.ndim == 2:
        return values.clone()
    return values.mean(
        1 if values.ndim == 3 else (2, 3), dtype=torch.promote_types(values.dtype, torch.float32)
    )


def pair_outputs(outputs: list[Tensor], views: int | None, layer: str) -> tuple[Tensor, Tensor | None]:
    """The outputs (n, d) of a layer in one micro-batch as one view or two, as `watch` says of `views`."""
    if views is not None and views > 1:
        if any(len(output) % views for output in outputs):
            raise ValueError(
                f"layer {layer!r} gave {len(outputs[0])} embeddings, expected {views} views of equal size"
            )
        parts = [output.chunk(views) for output in outputs]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    shapes = [output.shape for output in outputs]
    if views is None and len(outputs) % 2 == 0 and shapes[::2] == shapes[1::2]:
        return torch.cat(outputs[::2]), torch.cat(outputs[1::2])
    return torch.cat(outputs), None


def join_batches(batches: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """The micro-batches of a step as one batch; of two views only if all of them are."""
    first = torch.cat([a for a, _ in batches])
    second = [b for _, b in batches if b is not None]
    return first, torch.cat(second) if len(second) == len(batches) else None


class ProbeBatch:
    """A probe batch and the model that embeds it in evaluation mode.

    Neither gradients nor the random state nor any module's mode or running statistics change.

    Parameters
    ----------
    batch : Tensor | Callable[[nn.Module], Any]
        What the model takes, or a function that is given the model and passes a batch of its own.
    """

    def __init__(self, model: nn.Module, batch: Tensor | Callable[[nn.Module], Any]) -> None:
        self.model = innermost(model)
        self.batch = batch

    def embeddings_of(
        self, name: str, layer: nn.Module, pool: Callable[[Any], Tensor] | None
    ) -> Callable[[], Tensor]:
        """A function that gives the layer's embeddings (n, d) of the probe batch."""

        def embed() -> Tensor:
            found: list[Tensor] = []

            def keep(module: nn.Module, inputs: Any, output: Any) -> None:
                found.append(as_embeddings(pool(output) if pool else output, name))

            handle = layer.register_forward_hook(keep)
            try:
                with _unnoticed(self.model):
                    self._run()
            finally:
                handle.remove()
            if not found:
                raise RuntimeError(f"layer {name!r} was not called when the model embedded the probe batch")
            return found[-1]

        return embed

    def thumbnails(self) -> np.ndarray | None:
        """Small pictures of a batch of images, uint8 (n, height, width, 3); None of any other batch."""
        batch = self.batch
        if not isinstance(batch, Tensor) or batch.ndim != 4 or batch.shape[1] not in (1, 3):
            return None
        images = batch.detach().cpu().float().expand(-1, 3, -1, -1)
        low, high = images.amin((0, 2, 3), keepdim=True), images.amax((0, 2, 3), keepdim=True)
        images = (images - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)
        size = [min(side, THUMBNAIL_SIDE) for side in images.shape[2:]]
        small = nn.functional.interpolate(images, size, mode="area")
        return (255 * small).round().byte().permute(0, 2, 3, 1).numpy()

    def _run(self) -> None:
        if not isinstance(self.batch, Tensor):
            self.batch(self.model)
            return
        like = next((p for p in self.model.parameters() if p.is_floating_point()), self.batch)
        batch = self.batch.to(like.device)
        self.model(batch.to(like.dtype) if batch.is_floating_point() else batch)


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


@contextmanager
def _unnoticed(model: nn.Module) -> Iterator[None]:
    """In evaluation mode, without gradients and with the random state put back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    for module, _ in modes:
        module.training = False
    try:
        with torch.no_grad(), torch.random.fork_rng(list(devices)):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
