"""A network that was looked over, its samples, the outputs that count, and single samples' gradients."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenstep.kernel.ntk._factor_store import FactorStore
from eigenstep.kernel.ntk._layers import FactoredLayer, Layer, layers_of
from eigenstep.kernel.ntk._network import FUNCTION_METHODS, Network, check_forward, check_mode
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._products import outer_sums
from eigenstep.kernel.ntk._samples import Samples
from eigenstep.kernel.ntk._survey import Survey, survey
from eigenstep.machine import free_memory

# Bytes of activations of a batch: a CPU keeps so many in its cache.
_ACTIVATIONS = {"cpu": 1 << 24}
_ACTIVATIONS_ELSEWHERE = 1 << 30
# Numbers of gradients that are laid out at a time: little enough to stay in memory that was used before.
_PIECE = 1 << 22


class Subject:
    """What every computation of a tangent kernel starts with, and all checks of its input.

    Attributes
    ----------
    network, samples, survey, cotangents
        See there.
    layers : list[Layer]
        Those with formulas.
    chunk
        Samples of a forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: list[Any],
        *,
        outputs: str | int,
        chunk_size: int | None,
        dtype: torch.dtype | None,
        device: torch.device | str | None,
        random_state: Any,
    ) -> None:
        self.network = Network(model, dtype=dtype, device=device, channels_last=True)
        check_mode(model)
        self.samples = Samples(parts, self.network.device, self.network.dtype)
        probe = self.samples.probe()
        try:
            self.survey = _look_over(self.network, probe)
        except RuntimeError:
            if not self.network.channels_last:
                raise
            self.network = Network(model, dtype=dtype, device=device)
            self.survey = _look_over(self.network, probe)
        taken = Pass(self.network, probe, self.survey.reading)
        self.layers: list[Layer] = layers_of(self.network, self.survey, taken)
        like = taken.outputs.detach()
        self.cotangents: Tensor = cotangents_of(outputs, like.shape[1], random_state, like)
        self.chunk = self._chunk(chunk_size)
        self._tensors = isinstance(parts[0], Tensor)
        self._device = parts[0].device if self._tensors else torch.device("cpu")

    def returned(self, values: Tensor) -> Any:
        """Return values as the samples came: an array, or a tensor on their device."""
        values = values.to(self._device)
        return values if self._tensors else values.numpy()

    @property
    def all_layers(self) -> list[Layer]:
        """Layers with formulas, and then those without, which share passes by torch.func or by autograd."""
        methods = self.survey.by_function
        groups = [tuple(name for name in methods if methods[name] == kind) for kind in FUNCTION_METHODS]
        others = [
            Layer(", ".join(names), names, sum(self.network.parameters[name].numel() for name in names))
            for names in groups
            if names
        ]
        return [*self.layers, *others]

    def first_batch(self) -> Tensor:
        return self.samples.take(0, min(self.chunk, len(self.samples)))

    def _chunk(self, size: int | None) -> int:
        if size is not None:
            if not isinstance(size, numbers.Integral) or isinstance(size, bool) or size < 2:
                raise ValueError(f"expected chunk_size as an integer >= 2 or None, got {size!r}")
            return int(size)
        room = _ACTIVATIONS.get(self.network.device.type, _ACTIVATIONS_ELSEWHERE)
        bytes_of_sample = self.survey.activations * self.network.dtype.itemsize
        return int(min(max(room // max(bytes_of_sample, 1), 8), 1024))


def _look_over(network: Network, probe: Tensor) -> Survey:
    check_forward(network, probe)
    return survey(network, probe)


def bytes_to_use(budget: Any, share: float, device: torch.device) -> float:
    """Return a memory budget in bytes, by default a share of what is free; ValueError if not positive."""
    if budget is None:
        return share * free_memory(device)
    if not (isinstance(budget, numbers.Real) and float(budget) > 0):
        raise ValueError(f"expected memory_budget as a positive number of bytes or None, got {budget!r}")
    return float(budget)


def cotangents_of(outputs: Any, n_outputs: int, random_state: Any, like: Tensor) -> Tensor:
    """Return cotangents c_k as rows (K, O), for the kernel sum_k <grad c_k . f(x), grad c_k . f(x')>.

    "mean": every output over sqrt(O), so that the kernel is the trace of the O x O block over O. "random":
    one row of random signs over sqrt(O), whose kernel has that mean. An integer: that output alone.

    Raises
    ------
    ValueError
        None of these, or a random_state that is no seed.

    Examples
    --------
    >>> cotangents_of("mean", 4, None, torch.zeros(1)).diagonal()
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if isinstance(outputs, str) and outputs == "mean":
        return torch.eye(n_outputs, dtype=like.dtype, device=like.device) / n_outputs**0.5
    if isinstance(outputs, str) and outputs == "random":
        try:
            generator = np.random.default_rng(random_state)
        except (TypeError, ValueError):
            raise ValueError(
                f"expected random_state as an integer >= 0, a Generator or None, got {random_state!r}"
            ) from None
        signs = generator.choice([-1.0, 1.0], size=(1, n_outputs))
        return torch.from_numpy(signs / n_outputs**0.5).to(like)
    if isinstance(outputs, numbers.Integral) and not isinstance(outputs, bool):
        if not -n_outputs <= int(outputs) < n_outputs:
            raise ValueError(f"expected an output below {n_outputs}, which the model has, got {outputs}")
        row = torch.zeros(1, n_outputs, dtype=like.dtype, device=like.device)
        row[0, int(outputs)] = 1
        return row
    raise ValueError(f'expected outputs as "mean", "random" or an output\'s number, got {outputs!r}')


class SampleGradients:
    """The gradients of K cotangents . outputs, of one batch at a time.

    Parameters
    ----------
    cotangents : Tensor
        (K, O).
    """

    def __init__(self, subject: Subject, cotangents: Tensor) -> None:
        self._subject = subject
        self._cotangents = cotangents
        # The last batch may be longer by one.
        room = min(subject.chunk + 1, len(subject.samples))
        self._stores = {
            layer: FactorStore(layer, subject.network, room, len(cotangents))
            for layer in subject.layers
            if isinstance(layer, FactoredLayer)
        }
        self._rows: dict[Layer, list[Tensor]] = {}

    def batches(self) -> Iterator[slice]:
        """Read the subject's samples; yield which are at hand, between a forward pass and the next."""
        for where, batch in self._subject.samples.batches(self._subject.chunk):
            self._read(batch)
            yield where

    def factors(self, layer: FactoredLayer) -> tuple[Tensor, Tensor]:
        """Return output gradients (b, R, T) and inputs (b, c_in, T), below these ones if there is a bias."""
        store = self._stores[layer]
        samples = slice(0, len(self._batch))
        return store.gradients[samples], store.columns_and_ones(samples)

    def pieces(self, layer: Layer) -> Iterator[tuple[int, Tensor]]:
        """Yield (offset, rows (b, width)), parts of a layer's gradients, which are K P numbers a sample."""
        if isinstance(layer, FactoredLayer):
            yield from _outer_sums(*self.factors(layer))
        elif layer in self._rows:
            for which, rows in enumerate(self._rows[layer]):
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
        others = [layer for layer in self._subject.layers if layer not in self._stores]
        nodes += [meeting.node for layer in others for meeting in taken.meetings[layer.parameters[0]]]
        self._rows = {layer: [] for layer in others}
        for which, cotangent in enumerate(self._cotangents):
            of_outputs = taken.gradients(cotangent, nodes)
            for store in self._stores.values():
                store.put(which, of_outputs)
            for layer, rows in self._rows.items():
                gradients = taken.gradient(layer.parameters[0], of_outputs)
                rows.append(gradients.reshape(taken.count, -1))


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
