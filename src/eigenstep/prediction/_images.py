"""Images of a data set that a prediction is made of, and pairs of views of them."""

import torch
from torch import Tensor

from eigenstep.images import load_spread
from eigenstep.training import TrainConfig, derived_seed
from eigenstep.views import TwoViews

# Which of the seed's streams the views of pairs are drawn from; training has 0 to 3, 5 and 6.
_STREAM = 4


def some_images(config: TrainConfig, count: int) -> Tensor:
    """At most `count` images spread over the training data: see `eigenstep.images.load_spread`."""
    return load_spread(config.data, config.images, count, config.seed)


def draw_pairs(images: Tensor, config: TrainConfig, count: int) -> tuple[Tensor, Tensor]:
    """Two views, float32 (count, 3, S, S), of images as training draws them; of few images several times."""
    rows = torch.arange(count) % len(images)
    generator = torch.Generator().manual_seed(derived_seed(config.seed, _STREAM))
    return TwoViews(config.views, config.images.size)(images[rows], generator)
