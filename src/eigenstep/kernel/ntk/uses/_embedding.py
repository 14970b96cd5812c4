"""Embeddings: rows of a table, looked up by the data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Meeting
from eigenstep.kernel.ntk.uses._batch_axis import BatchAxis, NoFormula
from eigenstep.kernel.ntk.uses._use import Columns, FactoredUse, Product


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
