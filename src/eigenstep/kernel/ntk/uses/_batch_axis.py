"""Which rows of an activation belong to which sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


class NoFormula(Exception):
    """A use of a parameter that there is no formula for; its message says of what kind."""


@dataclass(frozen=True)
class BatchAxis:
    """Where samples lie in activations: first, (b T, ...), or behind positions, (T, b, ...) or (T b, ...).

    Examples
    --------
    >>> import torch
    >>> BatchAxis(2, last=True).split(torch.arange(6)[:, None]).flatten(1)
    tensor([[0, 2, 4],
            [1, 3, 5]])
    """

    count: int
    last: bool = False

    def split(self, activations: Tensor) -> Tensor:
        """Return activations as (b, T, ...), where a sample has T rows."""
        shape = activations.shape
        if self.own_axis(shape):
            return activations.transpose(0, 1)
        if not shape or shape[0] % self.count or (self.last and len(shape) != 2):
            raise NoFormula("activations without a row for each sample")
        if self.last:
            return activations.reshape(-1, self.count, *shape[1:]).transpose(0, 1)
        return activations.reshape(self.count, -1, *shape[1:])

    def own_axis(self, shape: Sequence[int]) -> bool:
        """Whether samples are an axis of their own behind that of the positions, (T, b, ...)."""
        return self.last and len(shape) > 2 and shape[1] == self.count
