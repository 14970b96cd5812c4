"""Where parameters meet data: what the autograd graph of a forward pass tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

Node: TypeAlias = Any  # torch.autograd.graph.Node, with the saved tensors of its kind

_LEAF = "torch::autograd::AccumulateGrad"


@dataclass(frozen=True, eq=False)
class Meeting:
    """An operation on data that takes a parameter, or a tensor made of parameters alone.

    Attributes
    ----------
    node, index
        The operation, and which of its inputs that is.
    maker, number
        The node the input comes from, and which of that node's outputs it is.
    """

    node: Node
    index: int
    maker: Node
    number: int

    @property
    def direct(self) -> bool:
        """Whether the parameter itself is the input."""
        return self.maker.name() == _LEAF

    @property
    def transposed(self) -> bool:
        """Whether the input is the transpose of the parameter itself, as in a linear layer."""
        return self.maker.name() == "TBackward0" and self.maker.next_functions[0][0].name() == _LEAF


class Graph:
    """The operations between parameters and an output, in the order of a walk from the output.

    Parameters
    ----------
    output : Tensor
        What a forward pass returned.
    leaves : Mapping[str, Tensor]
        Parameters by name.
    """

    def __init__(self, output: Tensor, leaves: Mapping[str, Tensor]) -> None:
        self._names = {id(leaf): name for name, leaf in leaves.items()}
        self._nodes = _walk(output)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations' names."""
        return tuple(node.name() for node in self._nodes)

    @property
    def shapes(self) -> list[tuple[tuple[int, ...], ...]]:
        """The shapes of each operation's outputs."""
        return [tuple(tuple(output.shape) for output in node._input_metadata) for node in self._nodes]

    @property
    def reached(self) -> list[str]:
        """Names of the parameters that the output depends on."""
        leaves = [id(node.variable) for node in self._nodes if node.name() == _LEAF]
        return [self._names[leaf] for leaf in leaves if leaf in self._names]

    def meetings(self, on_data: frozenset[int]) -> dict[str, list[Meeting]]:
        """Return the meetings that each parameter takes part in, by its name.

        Parameters
        ----------
        on_data : frozenset[int]
            Places of the operations that have rows for the samples of a batch.
        """
        data = {self._nodes[at] for at in on_data}
        found: dict[str, list[Meeting]] = {}
        for node in self._nodes:
            if node not in data:
                continue
            for index, (child, number) in enumerate(node.next_functions):
                if child is not None and child not in data:
                    meeting = Meeting(node, index, child, number)
                    for name in self._parameters_below(child):
                        found.setdefault(name, []).append(meeting)
        return found

    def _parameters_below(self, node: Node) -> list[str]:
        below, stack, names = set(), [node], []
        while stack:
            at = stack.pop()
            if at in below:
                continue
            below.add(at)
            if at.name() == _LEAF and id(at.variable) in self._names:
                names.append(self._names[id(at.variable)])
            stack += [child for child, _ in at.next_functions if child is not None]
        return names


def _walk(output: Tensor) -> list[Node]:
    """Return all nodes above the output, breadth first, each once."""
    if output.grad_fn is None:
        return []
    nodes, seen = [output.grad_fn], {output.grad_fn}
    for node in nodes:
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                nodes.append(child)
    return nodes
