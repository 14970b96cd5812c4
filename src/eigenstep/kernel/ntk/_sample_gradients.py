"""The gradients of single samples with respect to every layer, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from eigenstep.kernel.ntk._factor_store import FactorStore
from eigenstep.kernel.ntk._function_gradients import FUNCTION_METHODS
from eigenstep.kernel.ntk._layers import FactoredLayer, Layer
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import outer_sums
from eigenstep.kernel.ntk._subject import Subject

# Numbers of gradients that are laid out at a time: little enough to stay in memory that was used before.
_PIECE = 1 << 22


class SampleGradients:
    """The gradients of K cotangents . outputs, of one batch at a time.

    Parameters
    ----------
    cotangents : (K, O)
    """

    def __init__(self, subject: Subject, cotangents: Tensor) -> None:
        self._subject = subject
        self._cotangents = cotangents
        # The last batch may be longer by one.
        room = min(subject.chunk + 1, len(subject.samples))
        self._stores = {
            layer.name: FactorStore(layer, subject.network, room, len(cotangents))
            for layer in subject.layers
            if isinstance(layer, FactoredLayer)
        }
        self._rows: dict[str, list[Tensor]] = {}

    def batches(self) -> Iterator[slice]:
        """Read the subject's samples; yield which are at hand, between a forward pass and the next."""
        for where, batch in self._subject.samples.batches(self._subject.chunk):
            self._read(batch)
            yield where

    def factors(self, layer: FactoredLayer) -> tuple[Tensor, Tensor]:
        """Return output gradients (b, R, T) and inputs (b, c_in, T), below these ones if there is a bias."""
        store = self._stores[layer.name]
        samples = slice(0, len(self._batch))
        return store.gradients[samples], store.columns_and_ones(samples)

    def pieces(self, layer: Layer) -> Iterator[tuple[int, Tensor]]:
        """Yield (offset, rows (b, width)), parts of a layer's gradients, which are K P numbers a sample."""
        if isinstance(layer, FactoredLayer):
            yield from _outer_sums(*self.factors(layer))
        elif layer.name in self._rows:
            for which, rows in enumerate(self._rows[layer.name]):
                yield which * layer.size, rows
        else:
            function = FUNCTION_METHODS[self._subject.survey.by_function[layer.parameters[0]]]
            network = self._subject.network
            for which, cotangent in enumerate(self._cotangents):
                rows = function(network, layer.parameters, self._batch, cotangent, network.parameters)
                yield which * layer.size, rows

    def _read(self, batch: Tensor) -> None:
        self._batch = batch
        taken = Pass(self._subject.network, batch, self._subject.survey.reading)
        samples = slice(0, len(batch))
        nodes = [node for store in self._stores.values() for node in store.see(samples, taken)]
        others = [layer.name for layer in self._subject.layers if layer.name not in self._stores]
        nodes += [meeting.node for name in others for meeting in taken.meetings[name]]
        self._rows = {name: [] for name in others}
        for which, cotangent in enumerate(self._cotangents):
            of_outputs = taken.gradients(cotangent, nodes)
            for store in self._stores.values():
                store.put(which, of_outputs)
            for name, rows in self._rows.items():
                rows.append(taken.gradient(name, of_outputs).reshape(taken.count, -1))


def _outer_sums(gradients: Tensor, columns: Tensor) -> Iterator[tuple[int, Tensor]]:
    count, rows, _ = gradients.shape
    width = columns.shape[1]
    height = min(rows, max(1, _PIECE // (count * width)))
    laid_out = gradients.new_empty(count * height * width)
    for start in range(0, rows, height):
        part = gradients[:, start : start + height]
        piece = laid_out[: count * part.shape[1] * width].view(count, part.shape[1], width)
        outer_sums(part, columns, piece)
        yield start * width, piece.flatten(1)
