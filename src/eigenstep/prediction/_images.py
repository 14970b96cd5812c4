"""Images of a data set that a prediction is made of, and pairs of views of them."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.images import load_images, open_images
from eigenstep.images._batches import spread
from eigenstep.training import TrainConfig, derived_seed
from eigenstep.views import TwoViews

# Which of the seed's streams the views of pairs are drawn from; training has 0 to 3.
_STREAM = 4


def some_images(config: TrainConfig, count: int) -> Tensor:
    """At most `count` images spread over the training data, as they are stored: uint8 (n, 3, S, S).

    As many make up the probe batch of a run on the same data, they are those. Of a folder only they are
    decoded. Raises what reading images raises.
    """
    if config.data == "photos":
        images = load_images(config.data, config.images, config.seed).images
        return images[torch.from_numpy(spread(count, len(images)))]
    in_folder = Path(config.data).expanduser().is_dir()
    opened = open_images(
        config.data,
        dataclasses.replace(config.images, stream="always") if in_folder else config.images,
        seed=config.seed,
        batch_size=1,
        device=torch.device("cpu"),
    )
    try:
        return opened.probe(count)
    finally:
        opened.close()


def draw_pairs(images: Tensor, config: TrainConfig, count: int) -> tuple[Tensor, Tensor]:
    """Two views, float32 (count, 3, S, S), of images as training draws them; of few images several times."""
    rows = torch.arange(count) % len(images)
    generator = torch.Generator().manual_seed(derived_seed(config.seed, _STREAM))
    return TwoViews(config.views, config.images.size)(images[rows], generator)
