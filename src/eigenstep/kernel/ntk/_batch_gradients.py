"""The gradients of a batch's samples with respect to every layer, some channels at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from eigenstep.kernel.ntk._factor_store import FactorStore
from eigenstep.kernel.ntk._function_gradients import FUNCTION_METHODS
from eigenstep.kernel.ntk._layers import FactoredLayer, Layer
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import outer_sums
from eigenstep.kernel.ntk._subject import Subject

# Numbers of gradients that are laid out at a time.
_PIECE = 1 << 25


class BatchGradients:
    """One forward pass and a backward pass for each cotangent, and what the layers' gradients are made of.

    Parameters
    ----------
    batch : (b, ...)
    cotangents : (K, O)

    Attributes
    ----------
    stores : inputs and output gradients, by layer, of the factored ones
    """

    def __init__(self, subject: Subject, batch: Tensor, cotangents: Tensor) -> None:
        self._subject = subject
        self._count, self._cotangents = len(batch), cotangents
        taken = Pass(subject.network, batch, subject.survey.reading)
        self.stores: dict[str, FactorStore] = {}
        self._rows: dict[str, list[Tensor]] = {}
        nodes = []
        for layer in subject.layers:
            if isinstance(layer, FactoredLayer):
                self.stores[layer.name] = FactorStore(layer, subject.network, len(batch), len(cotangents))
                nodes += self.stores[layer.name].see(slice(0, len(batch)), taken)
            else:
                self._rows[layer.name] = []
                nodes += [meeting.node for meeting in taken.meetings[layer.parameters[0]]]
        for which, cotangent in enumerate(cotangents):
            of_outputs = taken.gradients(cotangent, nodes)
            for store in self.stores.values():
                store.put(which, of_outputs)
            for name, rows in self._rows.items():
                rows.append(taken.gradient(name, of_outputs).flatten(1))
        self._batch = batch

    def pieces(self, layer: Layer) -> Iterator[tuple[int, Tensor]]:
        """Yield (offset, rows (b, width)): parts of the K gradients with respect to a layer, K P numbers a
        sample."""
        if isinstance(layer, FactoredLayer):
            yield from self._of_factors(self.stores[layer.name])
        elif layer.name in self._rows:
            for which, rows in enumerate(self._rows[layer.name]):
                yield which * layer.size, rows
        else:
            function = FUNCTION_METHODS[self._subject.survey.by_function[layer.parameters[0]]]
            network = self._subject.network
            for which, cotangent in enumerate(self._cotangents):
                rows = function(network, layer.parameters, self._batch, cotangent, network.parameters)
                yield which * layer.size, rows

    def _of_factors(self, store: FactorStore) -> Iterator[tuple[int, Tensor]]:
        columns = store.columns_and_ones(slice(0, self._count))
        rows, width = store.gradients.shape[1], columns.shape[1]
        height = max(1, _PIECE // (self._count * width))
        laid_out = torch.empty(0)
        for start in range(0, rows, height):
            part = store.gradients[:, start : start + height]
            if laid_out.shape[1:] != (part.shape[1], width):
                laid_out = part.new_empty(self._count, part.shape[1], width)
            outer_sums(part, columns, laid_out)
            yield start * width, laid_out.flatten(1)
