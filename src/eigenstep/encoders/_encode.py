"""Stored images through an encoder that is not trained meanwhile."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eigenstep.encoders._config import EncoderSettings
from eigenstep.views import TwoViews, ViewsConfig

BATCH = 256


def encode(encoder: nn.Module, images: Tensor, config: EncoderSettings) -> tuple[Tensor, Tensor]:
    """Features (n, p) and embeddings (n, d) of stored images, uint8 (n, 3, H, W), on the encoder's device.

    In evaluation mode, without gradients, a batch at a time; float32 or wider.
    """
    weight = next(encoder.parameters())
    passed = []
    with torch.no_grad(), _frozen(encoder, weight.device):
        for batch in images.split(BATCH):
            prepared = prepare_images(batch.to(weight.device), config).to(weight.dtype)
            passed.append(encoder(prepared.contiguous(memory_format=torch.channels_last)))
    features, embeddings = (torch.cat(parts) for parts in zip(*passed, strict=True))
    wide = torch.promote_types(features.dtype, torch.float32)
    return features.to(wide), embeddings.to(wide)


def prepare_images(images: Tensor, config: EncoderSettings) -> Tensor:
    """Stored images (n, 3, H, W) as a run's encoder takes them, (n, 3, size, size) float32.

    Resized and normalised, not augmented otherwise.

    >>> from eigenstep.encoders import EncoderConfig
    >>> prepare_images(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), EncoderConfig()).shape
    torch.Size([2, 3, 32, 32])
    """
    plain = dataclasses.replace(
        ViewsConfig.none(config.views.normalize), mean=config.views.mean, std=config.views.std
    )
    views = TwoViews(plain, config.images.size)
    return views.apply(images, views.sample(images, torch.Generator()))


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
