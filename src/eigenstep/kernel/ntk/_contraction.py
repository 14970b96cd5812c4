"""One layer's part of a kernel: what is kept of each batch, how it is multiplied, and what that took."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import Layer
from eigenstep.kernel.ntk._network import FUNCTION_METHODS, Network
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import Pairs


@dataclass(frozen=True)
class LayerAccount:
    """What one layer's part of a kernel took.

    Attributes
    ----------
    name : str
        Of the layer, or of the parameter where it stands alone.
    method : str
        "positions" (products of inputs times products of output gradients), "gradients" (per-sample gradients
        by formula), "torch.func" or "autograd, one by one" (without a formula).
    parameters : tuple[str, ...]
        Names of its parameters.
    n_parameters : int
        How many numbers they are.
    flops : float
        Additions and multiplications, without forward and backward passes.
    seconds : float
        Likewise.
    """

    name: str
    method: str
    parameters: tuple[str, ...]
    n_parameters: int
    flops: float
    seconds: float


class Contraction(ABC):
    """Sums over the parameters of a layer.

    Passes over the samples fill it, for a group of cotangents at a time: `begin`, then for every batch `see`,
    `put` for each cotangent and `end_batch`, and then `add_to` the kernel.

    Attributes
    ----------
    layer : Layer
        Its name and parameters.
    method : str
        What is multiplied, in a word or two.
    whole
        Whether all cotangents must be in one group.
    seconds
        Spent on this layer beyond the passes.
    """

    method: str
    whole = False

    def __init__(self, layer: Layer, pairs: Pairs) -> None:
        self.layer = layer
        self.pairs = pairs
        self.seconds = 0.0

    @abstractmethod
    def flops(self, cotangents: int) -> float:
        """Return the additions and multiplications that all pairs of samples take."""

    def cost(self, cotangents: int) -> float:
        """Return the time that this takes, in flops of a matrix product."""
        return self.flops(cotangents)

    @abstractmethod
    def bytes(self, cotangents: int) -> int:
        """Return what is kept of all samples for a group of so many cotangents."""

    @abstractmethod
    def begin(self, cotangents: int) -> None:
        """Make room for a group of cotangents."""

    @abstractmethod
    def see(self, where: slice, taken: Pass) -> list[Node]:
        """Take what does not hang on cotangents from a batch; return the operations whose gradients count."""

    @abstractmethod
    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        """Take the gradients for the which-eth cotangent of the group."""

    @abstractmethod
    def end_batch(self) -> None:
        """Finish a batch, for which all gradients are there."""

    @abstractmethod
    def add_to(self, total: Tensor) -> None:
        """Add this layer's inner products for the group to the pairs' total."""

    @abstractmethod
    def release(self) -> None:
        """Let go of what was kept."""

    @contextmanager
    def timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds += max(time.perf_counter() - started, 0.0)


class GradientRows(Contraction):
    """Per-sample gradients by formula: 2 P flops for a pair and cotangent.

    Examples
    --------
    >>> from torch import nn
    >>> from eigenstep.kernel.ntk._network import Network
    >>> rows = GradientRows(Layer("weight", ("weight",), 500), Pairs(100), Network(nn.Linear(50, 10)))
    >>> rows.flops(cotangents=1), rows.bytes(cotangents=1)
    (5050000.0, 200000)
    """

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
        return [meeting.node for meeting in taken.meetings[self.layer.parameters[0]]]

    def put(self, which: int, cotangent: Tensor, of_outputs: Mapping[Node, Tensor]) -> None:
        with self.timed():
            gradients = self._taken.gradient(self.layer.parameters[0], of_outputs)
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
