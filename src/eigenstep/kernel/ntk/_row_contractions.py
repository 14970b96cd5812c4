"""Layers whose gradients are kept as they are, a row a sample and cotangent."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from eigenstep.kernel.ntk._contraction import Contraction
from eigenstep.kernel.ntk._function_gradients import FUNCTION_METHODS
from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import Layer
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import Pairs


class GradientRows(Contraction):
    """Per-sample gradients by formula: 2 P flops for a pair and cotangent."""

    method = "gradients"

    def __init__(self, layer: Layer, pairs: Pairs, network: Network) -> None:
        super().__init__(layer, pairs)
        self._network = network

    def flops(self, cotangents: int) -> float:
        return 2 * cotangents * self.layer.size * self.pairs.count

    def bytes(self, cotangents: int) -> int:
        return self._network.dtype.itemsize * self.pairs.n_samples * cotangents * self.layer.size

    def begin(self, cotangents: int) -> None:
        shape = (self.pairs.n_samples, cotangents, self.layer.size)
        self._rows = torch.empty(shape, device=self._network.device, dtype=self._network.dtype)

    def see(self, where: slice, taken: Pass) -> list[Node]:
        self._where, self._taken = where, taken
        return [meeting.node for meeting in taken.meetings[self.layer.name]]

    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        with self.timed():
            gradients = self._taken.gradient(self.layer.name, of_outputs)
            self._rows[self._where, which] = gradients.reshape(self._taken.count, -1)

    def end_batch(self) -> None:
        del self._taken

    def add_to(self, total: Tensor) -> None:
        with self.timed():
            self.pairs.add_products(total, self._rows.flatten(1))

    def release(self) -> None:
        del self._rows


class FunctionRows(GradientRows):
    """Per-sample gradients of parameters without a formula."""

    def __init__(self, layer: Layer, pairs: Pairs, network: Network, method: str) -> None:
        super().__init__(layer, pairs, network)
        self.method = method

    def see(self, where: slice, taken: Pass) -> list[Node]:
        self._where, self._taken = where, taken
        return []

    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        with self.timed():
            self._rows[self._where, which] = FUNCTION_METHODS[self.method](
                self._network, self.layer.parameters, self._taken.batch, cotangent, self._network.parameters
            )
