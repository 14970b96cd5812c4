"""Embeddings of all ranks as one batch, with exact gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from eigenstep.machine import gather_rows, own_rank, row_counts, world_size


@dataclass(frozen=True)
class JointBatch:
    """The embeddings of two views over all ranks, each (batch, dim).

    `own_rows` says where this rank's pairs lie among them. `labels`, (batch,), are the samples' classes
    for a loss that takes them; `slices`, (dim, slices), unit columns along which a loss looks at embeddings.
    `further`, each (batch, dim), are the views beyond two of a loss that takes all at once, and `n_global` is
    how many of all, the first ones, are of large crops.
    """

    z_a: Tensor
    z_b: Tensor
    own_rows: slice = field(default_factory=lambda: slice(None))
    world_size: int = 1
    labels: Tensor | None = None
    slices: Tensor | None = None
    further: tuple[Tensor, ...] = ()
    n_global: int = 2

    @property
    def views(self) -> list[Tensor]:
        """The embeddings of all views, each (batch, dim)."""
        return [self.z_a, self.z_b, *self.further]

    def joint_mean(self, own_total: Tensor, count: int) -> Tensor:
        """The share of this rank in the mean of `count` items, from its sum over its own ones.

        The mean of the shares over the ranks is the mean of the items.
        """
        return own_total * self.world_size / count

    def joint_sum(self, own: Tensor) -> Tensor:
        """The sum over the ranks of a tensor that each has of its own rows, in every rank; differentiable."""
        if self.world_size == 1:
            return own
        return gather_rows(own[None], [1] * self.world_size).sum(0)


def gather_batch(z_a: Tensor, z_b: Tensor, labels: Tensor | None = None) -> JointBatch:
    """Join z_a and z_b, each (batch, dim), with those of the other ranks, in the order of the ranks.

    Labels, (batch,), are joined likewise; all ranks bring them or none does.

    Ranks may bring batches of different sizes. The gradient that arrives at a rank's own embeddings is
    that of the sum of all ranks' losses. DistributedDataParallel averages gradients over the ranks, so
    the parameters follow the mean of the ranks' losses, as if one process had seen the joint batch.

    Without an initialised process group the joint batch is z_a and z_b themselves.

    Examples
    --------
    >>> gather_batch(torch.ones(3, 2), torch.ones(3, 2)).z_a.shape
    torch.Size([3, 2])
    """
    if world_size() == 1:
        return JointBatch(z_a, z_b, labels=labels)
    counts = row_counts(len(z_a), z_a.device)
    first, own = sum(counts[: own_rank()]), len(z_a)
    gathered_a, gathered_b = gather_rows(torch.stack([z_a, z_b], dim=1), counts).unbind(1)
    if labels is not None:
        labels = gather_rows(labels, counts)
    return JointBatch(gathered_a, gathered_b, slice(first, first + own), len(counts), labels)


def gather_views(views: Sequence[Tensor]) -> list[Tensor]:
    """Join each of several views, (batch, dim), with that of the other ranks, as `gather_batch` does.

    Examples
    --------
    >>> [view.shape for view in gather_views([torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4, 2)])]
    [torch.Size([4, 2]), torch.Size([4, 2]), torch.Size([4, 2])]
    """
    if not views or world_size() == 1:
        return list(views)
    return list(gather_rows(torch.stack(list(views), dim=1)).unbind(1))
