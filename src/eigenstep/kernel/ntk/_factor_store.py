"""The inputs and output gradients of a layer over all samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import FactoredLayer, factored_uses
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._rotation import Rotation


class FactorStore:
    """Inputs (N, ...) of each use, and output gradients (N, R, T) of all uses behind each other.

    Parameters
    ----------
    cotangents : K, how many output gradients a sample has
    rotation : if there is one, R is c_out r in place of K c_out

    Attributes
    ----------
    gradients : (N, R, T)
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
        shape = (n_samples, rows_of(layer, cotangents, rotation), layer.positions)
        self.gradients = torch.empty(shape, device=network.device, dtype=network.dtype)

    def see(self, where: slice, taken: Pass) -> list[Node]:
        """Take the inputs of a batch; return the operations whose gradients count."""
        self._where, self._uses = where, factored_uses(taken, self.layer)
        inputs = [use.inputs.detach() for use in self._uses]
        if not self._inputs:
            self._inputs = [part.new_empty(len(self.gradients), *part.shape[1:]) for part in inputs]
        for kept, part in zip(self._inputs, inputs, strict=True):
            kept[where] = part
        if self._rotation is not None:
            shape = (taken.count, self._cotangents, self.layer.channels, self.layer.positions)
            self._batch = self.gradients.new_empty(shape)
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
        return torch.cat((columns, columns.new_ones(len(columns), 1, columns.shape[2])), dim=1)

    def positions(self, samples: slice) -> tuple[Tensor, Tensor]:
        """Return the inputs and the gradients with a row for each position of each sample, (b T, ...)."""
        parts = [self.layer.columns_of.rows(part[samples]) for part in self._inputs]
        inputs = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return inputs.flatten(0, 1), self.gradients[samples].transpose(1, 2).flatten(0, 1)


def rows_of(layer: FactoredLayer, cotangents: int, rotation: Rotation | None) -> int:
    """Return R."""
    return layer.channels * (cotangents if rotation is None else rotation.rank)
