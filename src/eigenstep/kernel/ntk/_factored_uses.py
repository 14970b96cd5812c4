"""Uses whose gradient is a product over positions: linear layers, convolutions, embeddings."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk._uses import BatchAxis, NoFormula, Use

Product: TypeAlias = Callable[[Tensor, Tensor], Tensor]


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

    def positions_first(self, channels_last: bool) -> bool:
        """Whether positions come before channels in memory, for activations with channels last or not."""
        return True

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


@dataclass(frozen=True)
class LinearColumns(Columns):
    """Inputs are stored as columns, (b, c_in, T)."""


class LinearUse(FactoredUse):
    """The weight of y = x W^T + bias, or of y = x W; rows of x and y are samples and positions."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        name = self.node.name()
        matrix, rows = ("_saved_mat1", 2) if name == "AddmmBackward0" else ("_saved_self", 1)
        if meeting.index != rows:
            raise NoFormula(f"{name} as factor {meeting.index}")
        if name == "AddmmBackward0" and self.node._saved_alpha != 1:
            raise NoFormula(f"{name} with alpha")
        self._rows = getattr(self.node, matrix)
        if meeting.transposed:
            self.shape = torch.Size(reversed(self.shape))

    @property
    def of_parameter(self) -> bool:
        return self.meeting.direct or self.meeting.transposed

    @property
    def inputs(self) -> Tensor:
        return self.batch.split(self._rows).transpose(1, 2)

    @property
    def columns_of(self) -> Columns:
        return LinearColumns()

    def output_gradients(self, of_output: Tensor) -> Tensor:
        return self.batch.split(of_output).transpose(1, 2)

    def gradient(self, of_output: Tensor) -> Tensor:
        outer = torch.bmm(self.output_gradients(of_output), self.inputs.transpose(1, 2))
        return outer if self.meeting.transposed else outer.transpose(1, 2)


class LinearBiasUse(Use):
    """The bias of addmm."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        if meeting.index != 0 or self.node._saved_beta != 1 or len(self.shape) != 1:
            raise NoFormula("AddmmBackward0 with another summand than a bias")

    def gradient(self, of_output: Tensor) -> Tensor:
        return self.batch.split(of_output).sum(dim=1)


@dataclass(frozen=True)
class Patches(Columns):
    """Inputs are stored as images (b, T0, C, ...); the columns are their patches, (b, K C, T0 T)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def columns(self, inputs: Tensor) -> Tensor:
        count, frames = inputs.shape[:2]
        patches = self.patches(inputs.flatten(0, 1))
        if frames == 1:
            return patches
        return patches.unflatten(0, (count, frames)).transpose(1, 2).flatten(2)

    def patches(self, images: Tensor) -> Tensor:
        """Return the patches (b, K C, T) of images (b, C, ...), in memory as the images are."""
        if all(size == 1 for size in (*self.kernel, *self.stride)) and not any(self.padding):
            return images.flatten(2)
        padding = [amount for size in reversed(self.padding) for amount in (size, size)]
        padded = pad(images, padding) if any(padding) else images
        count, channels, *sizes = padded.shape
        outputs = [
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(
                sizes, self.kernel, self.stride, self.dilation, strict=True
            )
        ]
        of_sample, of_channel, *of_pixel = padded.stride()
        within = [step * dilation for step, dilation in zip(of_pixel, self.dilation, strict=True)]
        between = [step * stride for step, stride in zip(of_pixel, self.stride, strict=True)]
        width, positions = channels * math.prod(self.kernel), math.prod(outputs)
        if of_channel == 1:
            rows = padded.as_strided(
                (count, *outputs, *self.kernel, channels),
                (of_sample, *between, *within, of_channel),
                padded.storage_offset(),
            )
            return rows.reshape(count, positions, width).transpose(1, 2)
        windows = padded.as_strided(
            (count, *self.kernel, channels, *outputs),
            (of_sample, *within, of_channel, *between),
            padded.storage_offset(),
        )
        return windows.reshape(count, width, positions)

    def positions_first(self, channels_last: bool) -> bool:
        return channels_last and len(self.kernel) == 2

    def width(self, inputs: Tensor) -> int:
        return inputs.shape[2] * math.prod(self.kernel)


class ConvolutionUse(FactoredUse):
    """The weight (c_out, C / groups, ...) of a convolution."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        if meeting.index != 1 or self.node._saved_transposed:
            raise NoFormula("a transposed convolution" if meeting.index == 1 else "a convolution's input")
        if batch.last:
            raise NoFormula("a convolution over samples")
        self.groups = self.node._saved_groups
        self._patches = Patches(
            tuple(self.shape[2:]),
            tuple(self.node._saved_stride),
            tuple(self.node._saved_padding),
            tuple(self.node._saved_dilation),
        )

    @property
    def inputs(self) -> Tensor:
        return self.batch.split(self.node._saved_input)

    @property
    def columns_of(self) -> Columns:
        return self._patches

    @cached_property
    def _columns(self) -> Tensor:
        return self._patches.columns(self.inputs)

    def output_gradients(self, of_output: Tensor) -> Tensor:
        return self.batch.split(of_output).transpose(1, 2).flatten(2)

    def gradient(self, of_output: Tensor) -> Tensor:
        gradients = self.output_gradients(of_output)
        count, positions = self.batch.count * self.groups, gradients.shape[-1]
        columns = self._columns.unflatten(1, (-1, self.groups, self.shape[1])).transpose(1, 2)
        products = torch.bmm(
            gradients.reshape(count, -1, positions), columns.reshape(count, -1, positions).transpose(1, 2)
        )
        # (c_out, K, C) to (c_out, C, K)
        return products.unflatten(2, (-1, self.shape[1])).mT.reshape(self.batch.count, *self.shape)


class ConvolutionBiasUse(Use):
    """The bias of a convolution."""

    def gradient(self, of_output: Tensor) -> Tensor:
        rows = self.batch.split(of_output)
        return rows.transpose(1, 2).flatten(2).sum(dim=2)


@dataclass(frozen=True)
class OneHot(Columns):
    """Inputs are stored as indices (b, T), -1 for none; the columns are unit vectors."""

    table: int

    def columns(self, inputs: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(inputs + 1, self.table + 1)[..., 1:].transpose(1, 2)

    def width(self, inputs: Tensor) -> int:
        return self.table

    def rows(self, inputs: Tensor) -> Tensor:
        return inputs

    def inner(self, left: Tensor, right: Tensor, product: Product) -> Tensor:
        return (left[:, None] == right) & (left[:, None] >= 0)

    def inner_width(self, width: int) -> int:
        return 1


class EmbeddingUse(FactoredUse):
    """The table (V, c) of an embedding."""

    def __init__(self, meeting: Meeting, batch: BatchAxis) -> None:
        super().__init__(meeting, batch)
        if self.node._saved_scale_grad_by_freq:
            raise NoFormula("an embedding with scale_grad_by_freq")

    @property
    def inputs(self) -> Tensor:
        indices = self.node._saved_indices
        padding = self.node._saved_padding_idx
        return self.batch.split(indices.masked_fill(indices == padding, -1)).flatten(1)

    @property
    def columns_of(self) -> Columns:
        return OneHot(self.shape[0])

    def output_gradients(self, of_output: Tensor) -> Tensor:
        return self.batch.split(of_output).flatten(1, -2).transpose(1, 2)

    def gradient(self, of_output: Tensor) -> Tensor:
        gradients = self.output_gradients(of_output).transpose(1, 2)
        indices = self.inputs
        table = of_output.new_zeros(self.batch.count, self.shape[0] + 1, self.shape[1])
        return table.scatter_add_(1, (indices + 1)[..., None].expand_as(gradients), gradients)[:, 1:]
