"""Batch normalisation in evaluation mode, layer and group normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._use import Use


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
