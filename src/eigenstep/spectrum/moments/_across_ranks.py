"""What all ranks of a process group have seen together."""

import os
from copy import copy

import torch
from torch import Tensor
from torch import distributed as dist

from eigenstep.spectrum.moments._moments import CollapseSums, Moments


def world_size() -> int:
    """How many processes there are: 1 unless a process group is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_leader() -> bool:
    """Whether this is the process that writes; before the group is initialised, as the launcher says."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"


def joint_moments(moments: Moments) -> Moments:
    """The moments of all ranks' samples, by one all_reduce; all ranks must call this.

    Scatters add up about each rank's own mean, and the means come along in slots of their own, so that no
    digits are lost where they are far from zero.
    """
    ranks = world_size()
    if ranks == 1:
        return moments
    slots = moments.common.new_zeros(ranks, 1 + moments.dim)
    slots[dist.get_rank()] = torch.cat([moments.weight[None], moments.mean])
    parts = [
        slots,
        moments.common,
        moments.difference,
        moments.collapse.sums,
        moments.weight_square,
        moments.nonfinite,
    ]
    flat = torch.cat([part.flatten() for part in parts])
    dist.all_reduce(flat)
    pieces = flat.split([part.numel() for part in parts])
    joint = copy(moments)
    slots, common, joint.difference, sums, joint.weight_square, joint.nonfinite = (
        piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)
    )
    weights, means = slots[:, :1], slots[:, 1:]
    joint.weight = weights.sum()
    joint.mean = (weights * means).sum(0) / joint.weight.clamp(min=torch.finfo(flat.dtype).tiny)
    between = weights.sqrt() * (means - joint.mean)
    joint.common = common.addmm_(between.T, between, alpha=moments.views)
    joint.collapse = CollapseSums(sums)
    return joint


def gather_rows(rows: Tensor, capacity: int) -> Tensor:
    """All ranks' embeddings (views, n, d), at most `capacity` samples each, by one all_reduce.

    All ranks must call this, with the same capacity, number of views and dimension. The slots that it gives
    are read by `rows_of_slots`, which waits for the device.
    """
    views, count, dim = rows.shape
    # In the first place the number of samples, which the half precisions could not hold.
    dtype = torch.promote_types(rows.dtype, torch.float32)
    slots = torch.zeros(world_size(), 1 + views * capacity * dim, dtype=dtype, device=rows.device)
    own = slots[dist.get_rank()]
    own[0] = count
    own[1:].view(views, capacity, dim)[:, :count] = rows
    dist.all_reduce(slots)
    return slots


def rows_of_slots(slots: Tensor, views: int, dim: int) -> Tensor:
    """The embeddings (views, n, d) of all ranks, from their slots."""
    shares = slots[:, 1:].unflatten(1, (views, -1, dim))
    counts = slots[:, 0].long().tolist()
    return torch.cat([share[:, :count] for share, count in zip(shares, counts, strict=True)], dim=1)
