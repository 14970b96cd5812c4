"""Losses that look at the embeddings along random directions, slices, drawn anew at each call."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._pairs_of_views import check_global
from eigenstep.losses._two_view_loss import TwoViewLoss, named_views, outside_autocast
from eigenstep.machine import same_everywhere


class SlicedLoss(TwoViewLoss):
    """A loss of two views' embeddings that draws `slices` random directions at each call.

    Every call takes a `generator` on the CPU, from which they are drawn, the same on all devices; without one
    they are drawn from torch's random state. With `gather_distributed` all ranks must look along the same
    slices: they bring generators in the same state, or bring none and get the first rank's.

    A subclass finds them in the batch that `_terms` receives, as `batch.slices`, and the views as
    `batch.views`: two, or as many as `of_views` is given.
    """

    min_pairs = 2
    more_views = "together"

    def __init__(self, slices: int, gather_distributed: bool) -> None:
        super().__init__(gather_distributed)
        if slices < 1:
            raise ValueError(f"slices expects at least 1, got {slices}")
        self.slices = slices

    def forward(self, z_a: Tensor, z_b: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The loss of embeddings z_a and z_b, both (batch, dim), along slices of the generator: a scalar.

        The scalar is float64 for float64 embeddings and float32 for all others.

        Raises
        ------
        TypeError
            For anything but tensors.
        ValueError
            As the other losses do for embeddings that are not two floating-point tensors of one shape
            (batch, dim), or fewer than two pairs.
        """
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._loss(self._sliced_batch(z_a, z_b, generator))

    def terms(self, z_a: Tensor, z_b: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The terms of the loss by name, each a scalar before its factor in `weights`."""
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._terms(self._sliced_batch(z_a, z_b, generator))

    def loss_and_terms(
        self, z_a: Tensor, z_b: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the call and `terms` give along the same slices; the terms carry no gradient."""
        with outside_autocast(z_a=z_a, z_b=z_b):
            return self._loss_and_terms(self._sliced_batch(z_a, z_b, generator))

    def of_views(
        self, views: Sequence[Tensor], n_global: int = 2, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of two views or more along the same slices, and its terms without gradient.

        All views are predicted from the mean of the first `n_global`, those of large crops, and each is held
        to the distribution. Arguments and errors otherwise as of the call.
        """
        check_global(n_global, len(views))
        with outside_autocast(**named_views(views)):
            batch = self._joint_batch_of(views, n_global)
            return self._loss_and_terms(self._with_slices(batch, generator))

    def _sliced_batch(self, z_a: Tensor, z_b: Tensor, generator: torch.Generator | None) -> JointBatch:
        return self._with_slices(self._joint_batch(z_a, z_b), generator)

    def _with_slices(self, batch: JointBatch, generator: torch.Generator | None) -> JointBatch:
        directions = torch.randn(batch.z_a.shape[1], self.slices, generator=generator).to(batch.z_a)
        if generator is None and batch.world_size > 1:
            directions = same_everywhere(directions)
        return replace(batch, slices=directions / directions.norm(dim=0))


def prediction_error(views: Tensor, n_global: int) -> Tensor:
    """The mean square of what views (v, batch, dim) lack to the mean of the first `n_global` of them."""
    return (views - views[:n_global].mean(0)).square().mean()


def check_share(option: str, value: float) -> None:
    """Raise a ValueError unless the value is a share, from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{option} expects a number from 0 to 1, got {value}")
