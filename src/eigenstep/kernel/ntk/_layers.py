"""Which parameters are multiplied together, and what their gradients are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from eigenstep.kernel.ntk._factored_uses import (
    Columns,
    ConvolutionBiasUse,
    ConvolutionUse,
    FactoredUse,
    LinearBiasUse,
)
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._pass import Pass
from eigenstep.kernel.ntk._survey import Survey
from eigenstep.kernel.ntk._uses import Use


@dataclass(frozen=True)
class Layer:
    """Parameters that share a line in the account; no other layer has any of them.

    Attributes
    ----------
    name : str
        Of the module where these are all that it has, or of the first parameter.
    parameters : tuple[str, ...]
        Their names.
    size : int
        How many numbers they are.
    """

    name: str
    parameters: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class FactoredLayer(Layer):
    """A weight, and perhaps its bias, whose gradient of a sample is a sum of products over positions.

    Attributes
    ----------
    columns_of : Columns
        How the inputs' columns come from what is stored of them.
    width, channels, positions : int
        c_in, c_out and T, of all uses together.
    stored : int
        Numbers of stored inputs for a sample.
    bias : bool
        Whether the second parameter is the bias of the first in all its uses.

    Examples
    --------
    >>> layer = FactoredLayer("0", ("0.weight", "0.bias"), 8, Columns(), 3, 2, 1, stored=3, bias=True)
    >>> layer.full_width
    4
    """

    columns_of: Columns
    width: int
    channels: int
    positions: int
    stored: int
    bias: bool

    @property
    def full_width(self) -> int:
        """c_in, and one input more that is always 1 if there is a bias."""
        return self.width + self.bias


def layers_of(network: Network, survey: Survey, taken: Pass) -> list[Layer]:
    """Return the layers whose gradients have formulas, in the network's order."""
    layers: list[Layer] = []
    uses = {name: taken.uses(name) for name in survey.by_formula}
    left = dict.fromkeys(survey.by_formula)
    for name in survey.by_formula:
        if name not in left:
            continue
        del left[name]
        leaf = network.parameters[name]
        if not _factored(uses[name]):
            layers.append(Layer(name, (name,), leaf.numel()))
            continue
        bias = next((other for other in left if _is_bias(uses[other], uses[name])), None)
        parameters = (name,) if bias is None else (name, bias)
        left.pop(parameters[-1], None)
        layers.append(_factored_layer(network, parameters, uses[name]))
    return layers


def factored_uses(taken: Pass, layer: FactoredLayer) -> list[FactoredUse]:
    """Return the uses of a layer's weight in a pass."""
    uses = taken.uses(layer.parameters[0])
    return [use for use in uses if isinstance(use, FactoredUse)]


def _factored(uses: list[Use]) -> bool:
    first = uses[0]
    return isinstance(first, FactoredUse) and all(
        isinstance(use, FactoredUse)
        and use.of_parameter
        and use.columns_of == first.columns_of
        and use.meeting.transposed == first.meeting.transposed
        and not (isinstance(use, ConvolutionUse) and use.groups > 1)
        for use in uses
    )


def _is_bias(uses: list[Use], of: list[Use]) -> bool:
    return (
        len(uses) == len(of)
        and all(isinstance(use, LinearBiasUse | ConvolutionBiasUse) and use.of_parameter for use in uses)
        and all(use.node is weight.node for use, weight in zip(uses, of, strict=True))
    )


def _factored_layer(network: Network, parameters: tuple[str, ...], uses: list[Use]) -> FactoredLayer:
    first = uses[0]
    assert isinstance(first, FactoredUse)
    inputs: list[Tensor] = [use.inputs for use in uses if isinstance(use, FactoredUse)]
    outputs = [use.node._input_metadata[0].shape for use in uses]
    width = first.columns_of.width(inputs[0])
    size = sum(network.parameters[name].numel() for name in parameters)
    channels = math.prod(first.shape) // width
    return FactoredLayer(
        name=_name(network, parameters),
        parameters=parameters,
        size=size,
        columns_of=first.columns_of,
        width=width,
        channels=channels,
        positions=sum(math.prod(shape) for shape in outputs) // (channels * first.batch.count),
        stored=sum(tensor[0].numel() for tensor in inputs),
        bias=len(parameters) == 2,
    )


def _name(network: Network, parameters: tuple[str, ...]) -> str:
    module = parameters[0].rpartition(".")[0]
    own = {name for name in network.parameters if name.rpartition(".")[0] == module}
    return module if module and len(own) > 1 and own == set(parameters) else parameters[0]
