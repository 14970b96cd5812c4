"""What all ranks of a process group have seen together."""

from copy import copy

import torch

from eigenstep.machine import own_rank, sum_over_processes, world_size
from eigenstep.spectrum.moments._moments import CollapseSums, Moments


def joint_moments(moments: Moments) -> Moments:
    """The moments of all ranks' samples, by one all_reduce; all ranks must call this.

    Scatters add up about each rank's own mean, and the means come along in slots of their own, so that no
    digits are lost where they are far from zero.

    Examples
    --------
    >>> import torch
    >>> moments = Moments(2, views=1)
    >>> moments.update(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
    >>> joint_moments(moments).count  # of all processes: here there is one
    2
    """
    ranks = world_size()
    if ranks == 1:
        return moments
    slots = moments.common.new_zeros(ranks, 1 + moments.dim)
    slots[own_rank()] = torch.cat([moments.weight[None], moments.mean])
    parts = [
        slots,
        moments.common,
        moments.difference,
        moments.collapse.sums,
        moments.weight_square,
        moments.nonfinite,
    ]
    flat = sum_over_processes(torch.cat([part.flatten() for part in parts]))
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
