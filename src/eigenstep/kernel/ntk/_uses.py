"""One use of a parameter in a forward pass, and those number by number: added, multiplied, normalised by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting


class Use(ABC):
    """Gradients of single samples with respect to a tensor w, at one operation that takes it.

    Parameters
    ----------
    meeting : Meeting
        The operation.
    batch : BatchAxis
        Where samples lie in activations.

    Raises
    ------
    NoFormula
        Settings of the operation that the formula is not for.
    """

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        self.meeting = meeting
        self.batch = batch
        self.node = meeting.node
        maker = meeting.maker
        self.shape = torch.Size(
            maker.variable.shape if meeting.direct else maker._input_metadata[meeting.number].shape
        )

    @property
    def of_parameter(self) -> bool:
        """Whether `gradient` is that of the parameter itself, not of something made of it."""
        return self.meeting.direct

    @abstractmethod
    def gradient(self, of_output: Tensor) -> Tensor:
        """Return the gradient (b, *w.shape) of each sample from that of the operation's output."""


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


class BroadcastUse(Use):
    """A tensor that is the same for all samples: x + w, x - w, w - x, x w, w.expand(b, ...), prelu(x, w)."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        shape = self.node._input_metadata[0].shape
        full = (1,) * (len(shape) - len(self.shape)) + tuple(self.shape)
        axis = int(batch.own_axis(shape))
        if not full or full[axis] != 1:
            raise NoFormula("a parameter with an entry for each sample")
        self._of_sample = (full[0], *full[2:]) if axis else full

    def gradient(self, of_output: Tensor) -> Tensor:
        factor = self._factor()
        rows = self.batch.split(of_output if factor is None else of_output * factor)
        # Rows of a sample on the axis of samples all meet the same w: it has size 1 there, and they add up.
        return rows.sum_to_size(self.batch.count, *self._of_sample).reshape(self.batch.count, *self.shape)

    def _factor(self) -> Tensor | float | None:
        name, index = self.node.name(), self.meeting.index
        if name == "MulBackward0":
            return self.node._saved_other if index == 0 else self.node._saved_self
        if name in ("AddBackward0", "SubBackward0") and index == 1:
            sign = 1 if name == "AddBackward0" else -1
            return None if sign * self.node._saved_alpha == 1 else float(sign * self.node._saved_alpha)
        if name == "PreluKernelBackward0":
            return self.node._saved_self.clamp(max=0)
        return None


class NormalisationUse(Use):
    """The scale (index 1) or the shift (index 2) of a normalisation."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        if meeting.index not in (1, 2):
            raise NoFormula("a parameter that is normalised")
        if self.node.name() == "NativeBatchNormBackward0" and self.node._saved_training:
            raise NoFormula("batch normalisation by the batch's statistics")
        # A layer normalisation's parameters go with the last axes, the others' with the second one.
        self._trailing = self.node.name() == "NativeLayerNormBackward0"
        if batch.last and not self._trailing:
            raise NoFormula("channels in place of samples")

    def gradient(self, of_output: Tensor) -> Tensor:
        product = of_output * self._normalised() if self.meeting.index == 1 else of_output
        rows = self.batch.split(product)
        if self._trailing:
            return (
                rows.reshape(self.batch.count, -1, math.prod(self.shape)).sum(dim=1).unflatten(1, self.shape)
            )
        return rows.transpose(1, 2).flatten(2).sum(dim=2)

    def _normalised(self) -> Tensor:
        node, x = self.node, self.node._saved_input
        if node.name() == "NativeBatchNormBackward0":
            shape = (1, -1) + (1,) * (x.ndim - 2)
            mean, deviation = node._saved_running_mean, (node._saved_running_var + node._saved_eps).sqrt()
            return (x - mean.view(shape)) / deviation.view(shape)
        mean, scale = node._saved_result1, node._saved_result2
        if self._trailing:
            return (x - mean) * scale
        groups = x.reshape(*mean.shape, -1)
        return torch.mul(groups - mean[..., None], scale[..., None]).view_as(x)
