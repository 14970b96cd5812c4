"""The inputs and output gradients of a layer over all samples, rotated where channels see few directions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import FactoredLayer, factored_uses
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass


class FactorStore:
    """Inputs (N, ...) of each use, and output gradients (N, R, T) of all uses behind each other.

    Parameters
    ----------
    cotangents : int
        K, how many output gradients a sample has.
    rotation : Rotation | None
        If there is one, R is c_out r in place of K c_out.

    Attributes
    ----------
    gradients
        (N, R, T).
    """

    def __init__(
        self,
        layer: FactoredLayer,
        network: Network,
        n_samples: int,
        cotangents: int,
        rotation: Rotation | None = None,
    ) -> None:
        self.layer = layer
        self._rotation = rotation
        self._cotangents = cotangents
        self._inputs: list[Tensor] = []
        self._positions_first = layer.columns_of.positions_first(network.channels_last)
        like = next(iter(network.parameters.values()))
        self.gradients = self._empty(like, n_samples, rows_of(layer, cotangents, rotation))

    def see(self, where: slice, taken: Pass) -> list[Node]:
        """Take the inputs of a batch; return the operations whose gradients count."""
        self._where, self._uses = where, factored_uses(taken, self.layer)
        inputs = [use.inputs.detach() for use in self._uses]
        if not self._inputs:
            self._inputs = [_empty_rows(len(self.gradients), part[0]) for part in inputs]
        for kept, part in zip(self._inputs, inputs, strict=True):
            kept[where] = part
        if self._rotation is not None:
            self._batch = self._empty(self.gradients, taken.count, self._cotangents, self.layer.channels)
        return [use.node for use in self._uses]

    def put(self, which: int, of_outputs: Mapping[Node, Tensor]) -> None:
        """Take the gradients of a batch for the which-eth cotangent."""
        channels = self.layer.channels
        if self._rotation is None:
            target = self.gradients[self._where, which * channels : (which + 1) * channels]
        else:
            target = self._batch[:, which]
        start = 0
        for use in self._uses:
            positions = math.prod(use.node._input_metadata[0].shape) // (channels * use.batch.count)
            part = target[..., start : start + positions]
            if use.node in of_outputs:
                part.copy_(use.output_gradients(of_outputs[use.node]))
            else:
                part.zero_()
            start += positions

    def end_batch(self) -> None:
        """Rotate the gradients of a batch; UnexpectedRank if that cannot be done."""
        if self._rotation is not None:
            self.gradients[self._where] = self._rotation(self._batch)

    def columns(self, samples: slice) -> Tensor:
        """Return the inputs' columns (b, c_in, T)."""
        parts = [self.layer.columns_of.columns(part[samples]) for part in self._inputs]
        return (torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]).to(self.gradients.dtype)

    def columns_and_ones(self, samples: slice) -> Tensor:
        """Return the same with a row of ones below them if there is a bias, (b, c_in + 1, T)."""
        columns = self.columns(samples)
        if not self.layer.bias:
            return columns
        count, _, positions = columns.shape
        if self._positions_first:
            return torch.cat((columns.mT, columns.new_ones(count, positions, 1)), dim=2).mT
        return torch.cat((columns, columns.new_ones(count, 1, positions)), dim=1)

    def positions(self, samples: slice) -> tuple[Tensor, Tensor]:
        """Return the inputs and the gradients with a row for each position of each sample, (b T, ...)."""
        parts = [self.layer.columns_of.rows(part[samples]) for part in self._inputs]
        inputs = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return inputs.flatten(0, 1), self.gradients[samples].transpose(1, 2).flatten(0, 1)

    def _empty(self, like: Tensor, *sizes: int) -> Tensor:
        """Return room for gradients (*sizes, T), in memory as the passes' own, which so are copied fast."""
        positions = self.layer.positions
        if self._positions_first:
            return like.new_empty(*sizes[:-1], positions, sizes[-1]).mT
        return like.new_empty(*sizes, positions)


def _empty_rows(count: int, like: Tensor) -> Tensor:
    """Return room for `count` tensors that lie in memory as one of them does."""
    one = torch.empty_like(like)
    return one.new_empty_strided((count, *one.shape), (one.numel(), *one.stride()))


def rows_of(layer: FactoredLayer, cotangents: int, rotation: Rotation | None) -> int:
    """Return R."""
    return layer.channels * (cotangents if rotation is None else rotation.rank)


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
        """How many directions a channel has, r."""
        return self._directions.shape[2]

    def __call__(self, gradients: Tensor) -> Tensor:
        """Return gradients (b, K, c_out, T) along the directions, (b, c_out r, T).

        A channel that no gradient had reached along a direction before, such as one whose ReLU was shut, gets
        it now: what was rotated earlier has no part in it.

        Raises
        ------
        UnexpectedRank
            A channel for which r directions are too few.
        """
        # A sum over positions with normal weights has the energy of all of them on average.
        summed = (_weights(gradients.shape[3], gradients) @ gradients.mT)[..., None]
        if not _nothing(self._rest(summed), summed):
            # Few channels are late, and all of them are many numbers.
            late = self._rest(summed).square().sum(dim=(0, 1, 3)) > 0
            late &= (self._directions.square().sum(dim=1) < 0.5).any(dim=1)
            if bool(late.any()):
                self._add_directions(late, gradients[:, :, late])
            if not _nothing(self._rest(summed), summed):
                raise UnexpectedRank
        return self._along(gradients).flatten(1, 2)

    def _rest(self, gradients: Tensor) -> Tensor:
        return gradients - torch.einsum("bcrt,ckr->bkct", self._along(gradients), self._directions)

    def _along(self, gradients: Tensor) -> Tensor:
        """Return gradients (b, K, c_out, T) along the directions, (b, c_out, r, T)."""
        if self.rank > 1:
            return torch.einsum("bkct,ckr->bcrt", gradients, self._directions)
        along = torch.zeros_like(gradients[:, 0])
        for which in range(gradients.shape[1]):
            along.addcmul_(gradients[:, which], self._directions[:, which])
        return along[:, :, None]

    def _add_directions(self, late: Tensor, gradients: Tensor) -> None:
        """Give channels, which a mask (c_out,) says, the directions of what is left of their gradients."""
        known = self._directions[late]
        rest = Rotation(known)._rest(gradients)
        energies, directions = _principal(rest)
        old = known.double()
        free = old.square().sum(dim=1) < 0.5
        # The strongest come last, and take the free places from the first on.
        order = (free.cumsum(dim=1) - 1).clamp(min=0)
        new = directions.flip(2).gather(2, order[:, None].expand_as(old))
        # What is left of a gradient is orthogonal to the old directions only up to its rounding.
        new = torch.nn.functional.normalize(new - old @ (old.mT @ new), dim=1)
        of_channel = gradients.double().square().sum(dim=(0, 1, 3))
        reached = energies[:, -1] > _negligible(gradients.dtype) * of_channel
        self._directions[late] = torch.where((free & reached[:, None])[:, None], new, old).to(rest)


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
