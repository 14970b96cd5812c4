"""Fewer output gradients than outputs, where a channel sees the outputs along few directions."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation(gradients: Tensor, share: float = 0.5) -> Tensor | None:
    """Return directions (c_out, K, r) along which outputs reach each channel, if they are few.

    Behind the last layer in which channels mix, each channel reaches the K outputs along one direction, whatever
    the sample. A kernel is a sum over outputs, which an orthogonal transformation of them leaves as it is, also
    one of its own for each channel: in the right one a single gradient takes the place of K.

    Parameters
    ----------
    gradients : (b, K, c_out, T) of some samples
    share : of K that r may be at most

    Returns
    -------
    None if r is larger, or if the samples are too few to tell

    Examples
    --------
    >>> directions = torch.tensor([[3.0, 4.0], [1.0, 0.0]])  # (c_out, K)
    >>> gradients = torch.einsum("ck,bct->bkct", directions, torch.ones(3, 2, 4))
    >>> rotation(gradients).abs().squeeze()
    tensor([[0.6000, 0.8000],
            [1.0000, 0.0000]])
    """
    count, outputs, channels, positions = gradients.shape
    if outputs < 2 or count * positions < 2 * outputs:
        return None
    vectors = gradients.permute(2, 1, 0, 3).reshape(channels, outputs, -1).double()
    energies, directions = torch.linalg.eigh(vectors @ vectors.mT)
    threshold = _negligible(gradients.dtype) * energies[:, -1:]
    rank = max(1, int((energies > threshold.clamp(min=1e-300)).sum(dim=1).max()))
    return directions[..., -rank:].to(gradients) if rank <= share * outputs else None


def rotated(gradients: Tensor, directions: Tensor) -> tuple[Tensor, bool]:
    """Return gradients (b, K, c_out, T) along directions, (b, c_out r, T), and whether that is all of them."""
    along = torch.einsum("bkct,ckr->bcrt", gradients, directions)
    rest = gradients - torch.einsum("bcrt,ckr->bkct", along, directions)
    energies, lost = (part.square().flatten(1).sum(dim=1) for part in (gradients, rest))
    return along.flatten(1, 2), bool((lost <= _negligible(gradients.dtype) * energies).all())


def _negligible(dtype: torch.dtype) -> float:
    """The share of a gradient's square that may go: the same share of the kernel goes, below its rounding."""
    return torch.finfo(dtype).eps / 10
