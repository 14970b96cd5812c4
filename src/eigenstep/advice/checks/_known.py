"""What checks know of a training: its parts, three batches, and what three steps on a copy showed."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from eigenstep.advice.checks._batches import Again, Pair
from eigenstep.advice.checks._loop import Loop
from eigenstep.advice.checks._trial import Trial, try_steps
from eigenstep.spectrum.health import are_images

# Views of which the pixels are compared pair by pair.
MOST_VIEWS = 256


class Known:
    """A training before its first step; what takes time is found when it is first asked for.

    Attributes
    ----------
    loop : Loop
        The model, loss and optimiser. Checks look at them and run nothing of them: `trial` ran copies.
    batches : Sequence[tuple[Tensor, Tensor]]
        Of the first batches both views, each (n, ...).
    again : Again
        Views of the same samples once more.
    batch_size : int
        Pairs of a whole batch, over all processes.
    config : TrainConfig | None
        The configuration, where the training is one of `eigenstep train`.
    images : Sequence[Tensor]
        The images of the batches before augmentation, (n, C, S, S); none of a loop of one's own.
    """

    def __init__(
        self,
        loop: Loop,
        batches: Sequence[Pair],
        again: Again,
        *,
        batch_size: int | None = None,
        config: Any = None,
        images: Sequence[Tensor] = (),
    ) -> None:
        self.loop, self.batches, self.again = loop, batches, again
        self.batch_size = len(batches[0][0]) if batch_size is None else batch_size
        self.config, self.images = config, images

    @cached_property
    def trial(self) -> Trial:
        return try_steps(self.loop, self.batches)

    @property
    def embeddings(self) -> Pair | None:
        """Of the first batch, as the network is now; None where it could not be run."""
        first = self.trial.passed[0] if self.trial.passed else None
        return None if first is None else (first.z_a.double(), first.z_b.double())

    @property
    def pixels(self) -> Pair:
        """Rows of numbers (n, p) of the views of the first batches."""
        views = [torch.cat([batch[side] for batch in self.batches])[:MOST_VIEWS] for side in (0, 1)]
        first, second = (view.flatten(1).double() for view in views)
        return first, second

    @property
    def is_images(self) -> bool:
        """Whether a view looks like an image, (C, height, width)."""
        return are_images(self.batches[0][0])

    def option(self, option: str, line: str) -> str:
        """An action: the option of a configuration, or what to change in a loop of one's own."""
        return line if self.config is None else option
