"""Images of a data set that a prediction is made of, and pairs of views of them."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.images import load_spread, open_images
from eigenstep.training import TrainConfig, derived_seed, resolve_images
from eigenstep.views import TwoViews

# Which of the seed's streams the views of pairs are drawn from; training has 0 to 3, 5 and 6.
_STREAM = 4


def some_images(config: TrainConfig, count: int) -> Tensor:
    """At most `count` images spread over the training data: see `eigenstep.images.load_spread`.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig
    >>> some_images(TrainConfig(images=ImagesConfig(size=8, patches=64)), 16).shape
    torch.Size([16, 3, 8, 8])
    """
    return load_spread(config.data, config.images, count, config.seed)


def seen(config: TrainConfig) -> TrainConfig:
    """The configuration of a training with what its images tell of it: channels, range, how views are made.

    Raises what `eigenstep.images.open_images` and `eigenstep.training.resolve_images` raise.
    """
    read = config.images
    if Path(config.data).expanduser().exists():
        read = dataclasses.replace(read, stream="always")  # only what is needed is decoded
    images = open_images(config.data, read, seed=config.seed, batch_size=1, device=torch.device("cpu"))
    try:
        found = resolve_images(config, images)
    finally:
        images.close()
    return dataclasses.replace(found, images=dataclasses.replace(found.images, stream=config.images.stream))


def draw_pairs(images: Tensor, config: TrainConfig, count: int) -> tuple[Tensor, Tensor]:
    """Two views, float32 (count, C, S, S), of images as training draws them; of few images several times.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig
    >>> config = TrainConfig(images=ImagesConfig(size=8, patches=64))
    >>> first, second = draw_pairs(some_images(config, 16), config, 16)
    >>> first.shape
    torch.Size([16, 3, 8, 8])
    """
    rows = torch.arange(count) % len(images)
    generator = torch.Generator().manual_seed(derived_seed(config.seed, _STREAM))
    return TwoViews(config.views, config.images.size)(images[rows], generator)
