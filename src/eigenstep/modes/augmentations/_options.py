"""How the small networks are trained by which sets of augmentations are compared."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from eigenstep.methods import METHODS
from eigenstep.spelling import nearest
from eigenstep.training.recipes import recipe_names

RECIPE = "{}/cifar10-resnet18"


@dataclass(frozen=True)
class ShortTraining:
    """How the small networks are trained by which sets are compared.

    Examples
    --------
    >>> ShortTraining(steps=50).loss
    'simclr'
    """

    loss: str = "simclr"
    """Its standard recipe's loss, with the options of that recipe."""
    steps: int = 50
    """Optimiser steps, of Muon with half a cosine."""
    batch_size: int = 128
    """Images a step, two views of each."""
    width: int = 16
    """Channels of the first of the small convnet's three convolutions, doubled by each."""
    rate: float = 0.1
    """Muon's learning rate."""
    checkpoints: int = 1
    """Features are probed so many times, at the end and in equal steps before it, and the mean is taken."""

    def __post_init__(self) -> None:
        if self.loss != ShortTraining.loss and self.loss not in (losses := short_losses()):
            raise ValueError(
                f"loss: expected one of {', '.join(losses)}, got {self.loss!r}.{nearest(self.loss, losses)}"
            )
        for name in ("steps", "width", "checkpoints"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size: expected at least 2, got {self.batch_size}")
        if not 0 < self.rate < 1e6:
            raise ValueError(f"rate: expected a positive number, got {self.rate}")
        if self.checkpoints > self.steps:
            raise ValueError(f"checkpoints: expected at most {self.steps}, the steps, got {self.checkpoints}")

    def check_images(self, count: int) -> None:
        """Raise ValueError if there are fewer images than in a batch."""
        if count < self.batch_size:
            raise ValueError(
                f"expected at least {self.batch_size} images, a batch, got {count}; set a smaller"
                " --training.batch-size"
            )

    @property
    def probed_at(self) -> list[int]:
        """The steps after which features are probed, ascending."""
        places = np.linspace(0, self.steps, self.checkpoints + 1)[1:]
        return sorted({max(round(float(place)), 1) for place in places})


@cache
def short_losses() -> list[str]:
    """The losses by which sets can be compared: of two views' embeddings alone, with a recipe for CIFAR-10.

    Examples
    --------
    >>> "simclr" in short_losses(), "byol" in short_losses(), "supcon" in short_losses()
    (True, False, False)
    """
    found = []
    for name, method in METHODS.items():
        if RECIPE.format(name) in recipe_names() and not method.needs_labels:
            objective = method.build(method.options(), 8, 1)
            if objective.target_momentum is None and not objective.needs_views:
                found.append(name)
    return found
