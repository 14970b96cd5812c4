"""One use of a parameter in a forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis

Product: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class Use(ABC):
    """Gradients of single samples with respect to a tensor w, at one operation that takes it.

    Parameters
    ----------
    meeting : the operation
    batch : where samples lie in activations

    Raises
    ------
    NoFormula : settings of the operation that the formula is not for
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


class FactoredUse(Use):
    """A use whose gradient of a sample is a product over positions: sum_t g_t a_t^T.

    g_t are the c_out gradients of the outputs and a_t the c_in inputs at position t.
    """

    @property
    @abstractmethod
    def inputs(self) -> Tensor:
        """Inputs (b, ...) as they are stored; `columns` of `columns_of` makes a_t of them."""

    @property
    @abstractmethod
    def columns_of(self) -> Columns:
        """How a_t come from the stored inputs; equal for all uses that can be multiplied with each other."""

    @abstractmethod
    def output_gradients(self, of_output: Tensor) -> Tensor:
        """Return g, (b, c_out, T), from the gradient of the operation's output."""


class Columns:
    """From stored inputs of samples to a_t, independently of the forward pass that they were stored in."""

    def columns(self, inputs: Tensor) -> Tensor:
        """Return a, (b, c_in, T)."""
        return inputs

    def width(self, inputs: Tensor) -> int:
        """Return c_in."""
        return inputs.shape[1]

    def rows(self, inputs: Tensor) -> Tensor:
        """Return what `inner` takes, (b, T, ...)."""
        return self.columns(inputs).transpose(1, 2)

    def inner(self, left: Tensor, right: Tensor, product: Product) -> Tensor:
        """Return a_t . a_s, (m, n), of m and n `rows`."""
        return product(left, right)

    def inner_width(self, width: int) -> int:
        """Return how many numbers `inner` multiplies for a pair of rows."""
        return width
