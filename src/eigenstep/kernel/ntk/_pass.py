"""A forward pass that knows how each parameter entered it, and which formula is for which operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from eigenstep.kernel.ntk._factored_uses import (
    ConvolutionBiasUse,
    ConvolutionUse,
    EmbeddingUse,
    LinearBiasUse,
    LinearUse,
)
from eigenstep.kernel.ntk._graph import Graph, Meeting, Node
from eigenstep.kernel.ntk._network import Network
from eigenstep.kernel.ntk._uses import BatchAxis, BroadcastUse, NoFormula, NormalisationUse, Use

_BROADCASTS = (
    "AddBackward0",
    "SubBackward0",
    "MulBackward0",
    "ExpandBackward0",
    "RepeatBackward0",
    "PreluKernelBackward0",
)
_NORMALISATIONS = ("NativeBatchNormBackward0", "NativeLayerNormBackward0", "NativeGroupNormBackward0")


@dataclass(frozen=True)
class Reading:
    """How a network's forward passes are read.

    Attributes
    ----------
    operations : tuple[str, ...]
        Names of the graph's operations.
    on_data : frozenset[int]
        Which of them, by place, have rows for the samples of a batch.
    samples_last : frozenset[str]
        Parameters in whose activations samples lie behind positions.
    """

    operations: tuple[str, ...]
    on_data: frozenset[int]
    samples_last: frozenset[str] = field(default_factory=frozenset)


class Pass:
    """The outputs (b, O) of a batch, with the operations in which parameters meet data.

    Parameters
    ----------
    parameters : Mapping[str, Tensor] | None
        Leaf tensors in place of the network's own.
    """

    def __init__(
        self,
        network: Network,
        batch: Tensor,
        reading: Reading,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.leaves = dict(network.parameters if parameters is None else parameters)
        self.batch = batch
        self.count = len(batch)
        with torch.enable_grad():
            self.outputs = network.outputs(batch, self.leaves)
        graph = Graph(self.outputs, self.leaves)
        if graph.operations != reading.operations:
            raise ValueError(
                "expected a model that computes the same for every batch, got one whose operations differ "
                "between batches; take decisions that hang on the data out of its forward"
            )
        self.meetings = graph.meetings(reading.on_data)
        self._reading = reading
        self._uses: dict[str, list[Use]] = {}

    def uses(self, name: str) -> list[Use]:
        """Return the formulas for each use of a parameter; NoFormula if one of them has none."""
        if name not in self._uses:
            axis = BatchAxis(self.count, name in self._reading.samples_last)
            self._uses[name] = [use_of(meeting, axis) for meeting in self.meetings[name]]
        return self._uses[name]

    def read_anew(self, reading: Reading) -> None:
        """Take samples to lie elsewhere."""
        self._reading = reading
        self._uses.clear()

    def gradients(self, cotangent: Tensor, nodes: Iterable[Node]) -> dict[Node, Tensor]:
        """Return the gradients of cotangent . outputs with respect to the outputs of operations.

        An operation that the outputs do not depend on is left out.

        Parameters
        ----------
        cotangent : Tensor
            (O,), or (b, O) with one for each sample.
        """
        wanted = list(dict.fromkeys(nodes))
        if not wanted:  # no parameter has a formula
            return {}
        edges = [torch.autograd.graph.GradientEdge(node, 0) for node in wanted]
        found = torch.autograd.grad(
            self.outputs,
            edges,
            cotangent.expand_as(self.outputs),
            retain_graph=True,
            allow_unused=True,
        )
        return {node: gradient for node, gradient in zip(wanted, found, strict=True) if gradient is not None}

    @torch.no_grad()
    def gradient(self, name: str, of_outputs: Mapping[Node, Tensor]) -> Tensor:
        """Return the gradient of each sample with respect to a parameter, (b, ...), by its formulas."""
        leaf = self.leaves[name]
        total = leaf.new_zeros(self.count, *leaf.shape)
        for use in self.uses(name):
            if use.node in of_outputs:
                total += self._of_leaf(use, leaf, use.gradient(of_outputs[use.node]))
        return total

    def _of_leaf(self, use: Use, leaf: Tensor, gradient: Tensor) -> Tensor:
        """Carry a gradient back through what was made of the parameter before it met data."""
        if use.of_parameter:
            return gradient
        maker = torch.autograd.graph.GradientEdge(use.meeting.maker, use.meeting.number)
        return torch.autograd.grad(
            maker, [leaf], gradient.contiguous(), retain_graph=True, is_grads_batched=True
        )[0]


def use_of(meeting: Meeting, batch: BatchAxis) -> Use:
    """Return the formula for a parameter's use; NoFormula, which names the operation, if there is none."""
    name, index = meeting.node.name(), meeting.index
    if name == "AddmmBackward0":
        return LinearBiasUse(meeting, batch) if index == 0 else LinearUse(meeting, batch)
    if name == "MmBackward0":
        return LinearUse(meeting, batch)
    if name == "ConvolutionBackward0":
        return ConvolutionBiasUse(meeting, batch) if index == 2 else ConvolutionUse(meeting, batch)
    if name in _NORMALISATIONS:
        return NormalisationUse(meeting, batch)
    if name in _BROADCASTS:
        return BroadcastUse(meeting, batch)
    if name == "EmbeddingBackward0":
        return EmbeddingUse(meeting, batch)
    raise NoFormula(name.removesuffix("Backward0"))
