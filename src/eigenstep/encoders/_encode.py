"""Images through an encoder that is not trained meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from eigenstep.encoders._config import EncoderSettings
from eigenstep.encoders._encoder import Encoder
from eigenstep.encoders._layer_features import layer_features
from eigenstep.encoders._own_encoder import as_input
from eigenstep.encoders._trained_encoder import prepare_images

BATCH = 256


def encode(
    encoder: nn.Module,
    images: Tensor,
    config: EncoderSettings,
    *,
    prepare: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Features (n, p) and embeddings (n, d) of stored images, (n, C, H, W), on the encoder's device.

    In evaluation mode, without gradients, a batch at a time; float32 or wider. `prepare` stands for
    `prepare_images` where the run has views of its own.
    """
    prepare = prepare or partial(prepare_images, config=config)
    features, embeddings = _in_batches(encoder, encoder, images, prepare)
    return features, embeddings


def encode_layers(encoder: Encoder, images: Tensor, config: EncoderSettings) -> dict[str, Tensor]:
    """What each layer of the encoder's backbone makes of stored images, as `layer_features`; see `encode`."""
    names: list[str] = []

    def layers(batch: Tensor) -> tuple[Tensor, ...]:
        found = layer_features(encoder.backbone, batch)
        names[:] = found
        return tuple(found.values())

    values = _in_batches(encoder, layers, images, partial(prepare_images, config=config))
    return dict(zip(names, values, strict=True))


def _in_batches(
    encoder: nn.Module,
    call: Callable[[Tensor], tuple[Tensor, ...]],
    images: Tensor,
    prepare: Callable[[Tensor], Tensor],
) -> list[Tensor]:
    """What a call gives of all images, each part float32 or wider, the encoder frozen meanwhile."""
    weight = next(encoder.parameters())
    passed = []
    with torch.no_grad(), _frozen(encoder, weight.device):
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            passed.append(call(as_input(prepare(batch.to(weight.device)), weight.dtype)))
    joined = [torch.cat(parts) for parts in zip(*passed, strict=True)]
    return [part.to(torch.promote_types(part.dtype, torch.float32)) for part in joined]


@contextmanager
def _frozen(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode; every module's own mode and the random state are as they were afterwards."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
