"""A fixed batch that a model embeds at each measurement."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenstep.spectrum.watching._model_call import CallInProgress
from eigenstep.spectrum.watching._pooling import Pooling

# Side of the thumbnails kept of a probe batch of images, in pixels.
THUMBNAIL_SIDE = 32


class ProbeBatch:
    """A probe batch and the model that embeds it in evaluation mode.

    Neither gradients nor the random state nor any module's mode or running statistics change.

    Parameters
    ----------
    batch : Tensor | Callable[[nn.Module], Any]
        What the model takes, or a function that is given the model and passes a batch of its own.
    """

    def __init__(self, model: nn.Module, batch: Tensor | Callable[[nn.Module], Any]) -> None:
        self.model = model
        self.batch = batch

    def embeddings_of(self, layer: nn.Module, pooling: Pooling) -> Callable[[], Tensor]:
        """A function that gives the layer's embeddings (n, d) of the probe batch."""

        def embed() -> Tensor:
            found: list[Tensor] = []
            progress = CallInProgress(self.model)

            def keep(module: nn.Module, inputs: Any, keywords: dict[str, Any], output: Any) -> None:
                found.append(pooling(output, progress.call, keywords))

            handles = [
                self.model.register_forward_pre_hook(progress.begin, with_kwargs=True),
                layer.register_forward_hook(keep, with_kwargs=True),
            ]
            try:
                with _unnoticed(self.model):
                    self._run()
            finally:
                for handle in handles:
                    handle.remove()
            if not found:
                raise RuntimeError(
                    f"layer {pooling.name!r} was not called when the model embedded the probe batch"
                )
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
