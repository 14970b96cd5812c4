"""A network that was looked over, the samples it is asked about, and the outputs that count."""

from __future__ import annotations

import numbers
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.kernel._memory import free_memory
from eigenstep.kernel.ntk._function_gradients import FUNCTION_METHODS
from eigenstep.kernel.ntk._layers import Layer, layers_of
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._outputs import cotangents_of
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._refusals import check_forward, check_mode
from eigenstep.kernel.ntk._samples import Samples
from eigenstep.kernel.ntk._survey import Survey, survey

# Bytes of activations of a batch: a CPU keeps so many in its cache.
_ACTIVATIONS = {"cpu": 1 << 24}
_ACTIVATIONS_ELSEWHERE = 1 << 30


class Subject:
    """What every computation of a tangent kernel starts with, and all checks of its input.

    Attributes
    ----------
    network, samples, survey, cotangents : see there
    layers : those with formulas
    chunk : samples of a forward pass
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
        self.network = Network(model, dtype=dtype, device=device)
        check_mode(model)
        self.samples = Samples(parts, self.network.device, self.network.dtype)
        probe = self.samples.probe()
        check_forward(self.network, probe)
        self.survey: Survey = survey(self.network, probe)
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


def bytes_to_use(budget: Any, share: float, device: torch.device) -> float:
    """Return a memory budget in bytes, by default a share of what is free; ValueError if not positive."""
    if budget is None:
        return share * free_memory(device)
    if not (isinstance(budget, numbers.Real) and float(budget) > 0):
        raise ValueError(f"expected memory_budget as a positive number of bytes or None, got {budget!r}")
    return float(budget)
