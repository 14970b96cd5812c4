"""Fewer output gradients than outputs, where a channel sees the outputs along few directions."""

from __future__ import annotations

import torch
from torch import Tensor


class UnexpectedRank(Exception):
    """Outputs reach a channel along more directions than some samples had shown."""


class Rotation:
    """Directions (c_out, K, r) along which K outputs reach each channel.

    Behind the last layer in which channels mix, each channel reaches the K outputs along one direction,
    whatever the sample. A kernel is a sum over outputs, which an orthogonal transformation of them leaves as
    it is, also one of its own for each channel: in the right one a single gradient takes the place of K.

    Examples
    --------
    >>> directions = torch.tensor([[3.0, 4.0], [1.0, 0.0]])  # (c_out, K)
    >>> gradients = torch.einsum("ck,bct->bkct", directions, torch.ones(3, 2, 4))
    >>> rotation = Rotation.of(gradients)
    >>> rotation.rank, rotation(gradients).abs()[0, :, 0]
    (1, tensor([5., 1.]))
    """

    def __init__(self, directions: Tensor) -> None:
        self._directions = directions

    @classmethod
    def of(cls, gradients: Tensor, share: float = 0.5) -> Rotation | None:
        """Return the rotation for gradients (b, K, c_out, T) of some samples.

        None if they take more than a share of K directions, or are too few to tell.
        """
        count, outputs, _, positions = gradients.shape
        if outputs < 2 or count * positions < 2 * outputs:
            return None
        energies, directions = _principal(gradients)
        seen = energies > _negligible(gradients.dtype) * energies[:, -1:]
        rank = max(1, int(seen.sum(dim=1).max()))
        if rank > share * outputs:
            return None
        return cls((directions * seen[:, None])[..., -rank:].to(gradients))

    @property
    def rank(self) -> int:
        """r."""
        return self._directions.shape[2]

    def __call__(self, gradients: Tensor) -> Tensor:
        """Return gradients (b, K, c_out, T) along the directions, (b, c_out r, T).

        A channel that no gradient had reached along a direction before, such as one whose ReLU was shut, gets
        it now: what was rotated earlier has no part in it.

        Raises
        ------
        UnexpectedRank : a channel for which r directions are too few
        """
        # A sum over positions with normal weights has the energy of all of them on average.
        summed = gradients @ _weights(gradients.shape[3], gradients)[:, None]
        if not _nothing(self._rest(summed), summed):
            self._add_directions(self._rest(gradients), gradients)
            if not _nothing(self._rest(summed), summed):
                raise UnexpectedRank
        return torch.einsum("bkct,ckr->bcrt", gradients, self._directions).flatten(1, 2)

    def _rest(self, gradients: Tensor) -> Tensor:
        along = torch.einsum("bkct,ckr->bcrt", gradients, self._directions)
        return gradients - torch.einsum("bcrt,ckr->bkct", along, self._directions)

    def _add_directions(self, rest: Tensor, gradients: Tensor) -> None:
        energies, directions = _principal(rest)
        old = self._directions.double()
        free = old.square().sum(dim=1) < 0.5
        # The strongest come last, and take the free places from the first on.
        order = (free.cumsum(dim=1) - 1).clamp(min=0)
        new = directions.flip(2).gather(2, order[:, None].expand_as(old))
        # What is left of a gradient is orthogonal to the old directions only up to its rounding.
        new = torch.nn.functional.normalize(new - old @ (old.mT @ new), dim=1)
        of_channel = gradients.double().square().sum(dim=(0, 1, 3))
        reached = energies[:, -1] > _negligible(gradients.dtype) * of_channel
        self._directions = torch.where((free & reached[:, None])[:, None], new, old).to(rest)


def _weights(count: int, like: Tensor) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(count)).to(like)


def _principal(gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Return energies (c_out, K), ascending, and directions (c_out, K, K) of gradients over the outputs."""
    _, outputs, channels, _ = gradients.shape
    vectors = gradients.permute(2, 1, 0, 3).reshape(channels, outputs, -1).double()
    return torch.linalg.eigh(vectors @ vectors.mT)


def _nothing(rest: Tensor, gradients: Tensor) -> bool:
    lost, energies = (part.square().flatten(1).sum(dim=1) for part in (rest, gradients))
    return bool((lost <= _negligible(gradients.dtype) * energies).all())


def _negligible(dtype: torch.dtype) -> float:
    """The share of a gradient's square that may go, and of the kernel with it: what eigenproblems resolve."""
    return 1e-8 if dtype == torch.float32 else 1e-14
