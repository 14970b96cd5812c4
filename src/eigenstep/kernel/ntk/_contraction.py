"""One layer's part of a kernel: what is kept of each batch, and how it is multiplied."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from eigenstep.kernel.ntk._graph import Node
from eigenstep.kernel.ntk._layers import Layer
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import Pairs


class Contraction(ABC):
    """Sums over the parameters of a layer.

    Passes over the samples fill it, for a group of cotangents at a time: `begin`, then for every batch `see`,
    `put` for each cotangent and `end_batch`, and then `add_to` the kernel.

    Attributes
    ----------
    layer : its name and parameters
    method : what is multiplied, in a word or two
    whole : whether all cotangents must be in one group
    seconds : spent on this layer beyond the passes
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
        self.seconds += time.perf_counter() - started
