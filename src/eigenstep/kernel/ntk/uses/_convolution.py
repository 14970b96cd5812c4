"""Convolutions of one to three dimensions, of any stride, dilation and groups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._use import Columns, FactoredUse, Use


@dataclass(frozen=True)
class Patches(Columns):
    """Inputs are stored as images (b, T0, C, ...); the columns are their patches, (b, C K, T0 T)."""

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
        """Return the patches (b, C K, T) of images (b, C, ...)."""
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
        windows = padded.as_strided(
            (count, channels, *self.kernel, *outputs),
            (
                of_sample,
                of_channel,
                *(step * dilation for step, dilation in zip(of_pixel, self.dilation, strict=True)),
                *(step * stride for step, stride in zip(of_pixel, self.stride, strict=True)),
            ),
            padded.storage_offset(),
        )
        return windows.reshape(count, channels * math.prod(self.kernel), math.prod(outputs))

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
        columns = self._columns
        gradients = self.output_gradients(of_output)
        count = self.batch.count * self.groups
        products = torch.bmm(
            gradients.reshape(count, -1, gradients.shape[-1]),
            columns.reshape(count, -1, columns.shape[-1]).transpose(1, 2),
        )
        return products.reshape(self.batch.count, *self.shape)


class ConvolutionBiasUse(Use):
    """The bias of a convolution."""

    def gradient(self, of_output: Tensor) -> Tensor:
        rows = self.batch.split(of_output)
        return rows.transpose(1, 2).flatten(2).sum(dim=2)
