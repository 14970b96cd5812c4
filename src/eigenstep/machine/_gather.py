"""Embeddings of all ranks as one batch, with exact gradients."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class JointBatch:
    """The embeddings of two views over all ranks, each (batch, dim).

    `own_rows` says where this rank's pairs lie among them. `labels`, (batch,), are the samples' classes
    for a loss that takes them.
    """

    z_a: Tensor
    z_b: Tensor
    own_rows: slice = field(default_factory=lambda: slice(None))
    world_size: int = 1
    labels: Tensor | None = None

    def joint_mean(self, own_total: Tensor, count: int) -> Tensor:
        """This rank's share of the mean of `count` items, from its sum over its own ones.

        The mean of the shares over the ranks is the mean of the items.
        """
        return own_total * self.world_size / count


def gather_batch(z_a: Tensor, z_b: Tensor, labels: Tensor | None = None) -> JointBatch:
    """Join z_a and z_b, each (batch, dim), with those of the other ranks, in the order of the ranks.

    Labels, (batch,), are joined likewise; all ranks bring them or none does.

    Ranks may bring batches of different sizes. The gradient that arrives at a rank's own embeddings is
    that of the sum of all ranks' losses. DistributedDataParallel averages gradients over the ranks, so
    the parameters follow the mean of the ranks' losses, as if one process had seen the joint batch.

    Without an initialised process group the joint batch is z_a and z_b themselves.

    >>> gather_batch(torch.ones(3, 2), torch.ones(3, 2)).z_a.shape
    torch.Size([3, 2])
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return JointBatch(z_a, z_b, labels=labels)
    counts = _counts(len(z_a), z_a.device)
    first, own = sum(counts[: dist.get_rank()]), len(z_a)
    pairs: Tensor = _GatherRows.apply(torch.stack([z_a, z_b], dim=1), counts)
    gathered_a, gathered_b = pairs.unbind(1)
    if labels is not None:
        labels = _GatherRows.apply(labels, counts)
    return JointBatch(gathered_a, gathered_b, slice(first, first + own), len(counts), labels)


def all_gather(gathered: Tensor, own: Tensor) -> None:
    """Fill `gathered` with the ranks' tensors, one after the other along the first dimension."""
    # torch 2.14 has renamed it, and warns of the old name.
    collective = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    collective(gathered, own)


def _counts(own: int, device: torch.device) -> list[int]:
    """The number of rows on each rank: collectives on wrongly assumed sizes hang or mix up rows."""
    counts = torch.empty(dist.get_world_size(), dtype=torch.int64, device=device)
    all_gather(counts, torch.tensor([own], device=device))
    return counts.tolist()


class _GatherRows(torch.autograd.Function):
    """Concatenate the ranks' rows; backwards, sum the ranks' gradients and keep the own rows.

    Written on the plain collectives since torch.distributed.nn.functional is deprecated.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        longest = max(counts)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = rows.new_empty(len(counts) * longest, *rows.shape[1:])
        all_gather(gathered, padded)
        return torch.cat(
            [block[:count] for block, count in zip(gathered.split(longest), counts, strict=True)]
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # A copy, for autograd may hand the same tensor to others.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.split(ctx.counts)[dist.get_rank()], None
