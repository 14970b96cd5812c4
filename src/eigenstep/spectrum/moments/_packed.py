"""Moments as one vector, as other libraries gather it, and the moments of several such vectors together."""

import torch
from torch import Tensor

from eigenstep.spectrum.moments._moments import CollapseSums, Moments

_SCALARS = ("weight", "weight_square", "nonfinite")


def pack(moments: Moments) -> Tensor:
    """All of the moments in one vector, of which `unpack` makes them again.

    Examples
    --------
    >>> moments = Moments(2, views=1)
    >>> moments.update(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
    >>> vector = pack(moments)
    >>> vector.shape, unpack(vector).mean
    (torch.Size([16]), tensor([2., 0.], dtype=torch.float64))
    """
    kind = moments.mean.new_tensor([moments.dim, moments.views])
    scalars = torch.stack([getattr(moments, name) for name in _SCALARS])
    parts = [moments.mean, moments.common, moments.difference, moments.collapse.sums]
    return torch.cat([kind, scalars, *(part.flatten() for part in parts)])


def unpack(vector: Tensor) -> Moments:
    """The moments of all samples behind one vector of `pack`, or behind several, one after the other.

    Scatters add up about each part's own mean, and the means' own scatter is added to them (Chan, Golub,
    LeVeque 1982), so that no digits are lost where they are far from zero.

    Raises
    ------
    ValueError
        For vectors of moments of several dimensions or numbers of views.

    Examples
    --------
    >>> parts = [Moments(1, views=1), Moments(1, views=1)]
    >>> for part, value in zip(parts, (1.0, 3.0)):
    ...     part.update(torch.tensor([[value]]))
    >>> joint = unpack(torch.cat([pack(part) for part in parts]))
    >>> joint.mean.tolist(), joint.common.tolist(), joint.count
    ([2.0], [[2.0]], 2)
    """
    dim, views = (int(number) for number in vector[:2])
    sizes = [2, len(_SCALARS), dim, dim**2, dim**2 if views == 2 else 0, 2 * dim + 1]
    if len(vector) % sum(sizes):
        raise ValueError("expected moments of embeddings of one dimension, and of one view or of two")
    kinds, scalars, means, commons, differences, sums = vector.view(-1, sum(sizes)).split(sizes, dim=1)
    if (kinds != kinds[0]).any():
        raise ValueError("expected moments of embeddings of one dimension, and of one view or of two")
    joint = Moments(dim, views, dtype=vector.dtype, device=vector.device)
    weights = scalars[:, :1]
    joint.weight, joint.weight_square, joint.nonfinite = scalars.sum(0).unbind()
    joint.mean = (weights * means).sum(0) / joint.weight.clamp(min=torch.finfo(vector.dtype).tiny)
    between = weights.sqrt() * (means - joint.mean)
    joint.common = commons.sum(0).view(dim, dim).addmm(between.T, between, alpha=views)
    joint.difference = differences.sum(0).view(joint.difference.shape)
    joint.collapse = CollapseSums(sums.sum(0))
    return joint
