"""Linear layers, also on sequences: addmm, mm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._use import Columns, FactoredUse, Use


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
