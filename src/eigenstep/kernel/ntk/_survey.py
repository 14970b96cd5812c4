"""Which formula each parameter of a network gets, tried on a few samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from eigenstep.kernel.ntk._graph import Graph, Node
from eigenstep.kernel.ntk._network import (
    Network,
    check_differentiable,
    check_forward,
    check_read_from_modules,
    function_gradients,
)
from eigenstep.kernel.ntk._pass import Pass, Reading
from eigenstep.kernel.ntk._uses import NoFormula


@dataclass(frozen=True)
class Survey:
    """What is known of a network before any kernel is computed.

    Attributes
    ----------
    reading : Reading
        How its forward passes are read.
    by_formula : tuple[str, ...]
        Parameters whose formulas give autograd's gradients, in the network's order.
    by_function : dict[str, str]
        How each of the others is differentiated, a key of `FUNCTION_METHODS`.
    notes : tuple[str, ...]
        Why, a line for each of those, and for parameters that outputs do not depend on.
    activations : int
        How many numbers the operations on a sample give.
    """

    reading: Reading
    by_formula: tuple[str, ...]
    by_function: dict[str, str]
    notes: tuple[str, ...]
    activations: int


@torch.enable_grad()
def survey(network: Network, probe: Tensor) -> Survey:
    """Compare formulas with autograd's gradients of single samples, at weights moved a little at random.

    A formula is trusted for the structure of a network, which does not hang on its weights; layers that start
    at zero, and so let no gradient through, show nothing of theirs until they are moved.

    Parameters
    ----------
    probe : Tensor
        Three samples, (3, ...).
    """
    operations, on_data, activations = _on_data(network, probe)
    generator = torch.Generator().manual_seed(0)
    parameters = _moved(network, probe, generator)
    check_forward(network, probe, parameters)
    taken = Pass(network, probe[:2], Reading(operations, on_data), parameters)
    # Another one for each sample: gradients that are alike would not tell whose they are.
    cotangents = torch.randn(taken.outputs.shape, generator=generator).to(taken.outputs)
    references = [_own_gradients(taken, cotangents, sample) for sample in range(2)]
    gradients = taken.gradients(cotangents, [use.node for uses in taken.meetings.values() for use in uses])
    samples_last: list[str] = []
    by_formula: list[str] = []
    reasons: dict[str, str] = {}
    for name in taken.meetings:
        expected = torch.stack([one[name] for one in references])
        for last in ([], [name]):
            taken.read_anew(Reading(operations, on_data, frozenset(last)))
            reason = _disagreement(taken, name, gradients, expected)
            if reason is None:
                by_formula.append(name)
                samples_last += last
                break
            reasons.setdefault(name, reason)
    order = list(parameters)
    by_function = {
        name: _function_method(network, name, taken, cotangents, [one[name] for one in references])
        for name in order
        if name in reasons and name not in by_formula
    }
    notes = [f"{name}: outputs do not depend on it" for name in order if name not in taken.meetings]
    notes += [f"{name}: by {method}, for {reasons[name]}" for name, method in by_function.items()]
    return Survey(
        Reading(operations, on_data, frozenset(samples_last)),
        tuple(sorted(by_formula, key=order.index)),
        by_function,
        tuple(notes),
        activations,
    )


def _on_data(network: Network, probe: Tensor) -> tuple[tuple[str, ...], frozenset[int], int]:
    """Return the operations' names, which have outputs that grow with the batch, and by how much in all."""
    some, more = (network.outputs(batch) for batch in (probe[:2], probe))
    check_differentiable(more)
    check_read_from_modules(Graph(more, network.originals).reached)
    two, three = (Graph(outputs, network.parameters) for outputs in (some, more))
    if two.operations != three.operations:
        raise ValueError(
            "expected a model that computes the same for every batch, got other operations for three samples "
            "than for two"
        )
    on_data = frozenset(at for at, shapes in enumerate(three.shapes) if shapes != two.shapes[at])
    activations = sum(math.prod(shape) for at in on_data for shape in three.shapes[at][:1]) // len(probe)
    return two.operations, on_data, activations


def _moved(network: Network, probe: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return leaves near the network's parameters, none of them zero; its own if outputs overflow there."""
    moved = {}
    for name, leaf in network.parameters.items():
        size = float(leaf.detach().square().mean().sqrt()) or 0.1
        noise = torch.randn(leaf.shape, generator=generator).to(leaf)
        moved[name] = (leaf.detach() + 0.2 * size * noise).requires_grad_()
    with torch.no_grad():
        finite = bool(torch.isfinite(network.outputs(probe, moved)).all())
    return moved if finite else network.parameters


def _own_gradients(taken: Pass, cotangents: Tensor, sample: int) -> dict[str, Tensor]:
    found = torch.autograd.grad(
        taken.outputs[sample] @ cotangents[sample],
        list(taken.leaves.values()),
        retain_graph=True,
        allow_unused=True,
    )
    return {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(taken.leaves.items(), found, strict=True)
    }


def _disagreement(taken: Pass, name: str, gradients: Mapping[Node, Tensor], expected: Tensor) -> str | None:
    """Return why a parameter's formulas will not do, in words, or None."""
    try:
        by_formula = taken.gradient(name, gradients)
    except NoFormula as missing:
        return f"there is no formula for {missing}"
    except RuntimeError as error:
        return f"its formula failed: {str(error).splitlines()[0]}"
    if _differ(by_formula, expected):
        return "its formula missed autograd's gradient: samples do not lie where it expects them"
    return None


def _function_method(
    network: Network, name: str, taken: Pass, cotangents: Tensor, references: list[Tensor]
) -> str:
    """Return torch.func, where it knows all operations and is right about them, or else autograd."""
    try:
        found = [
            function_gradients(network, [name], taken.batch, cotangent, taken.leaves)[at]
            for at, cotangent in enumerate(cotangents)
        ]
    except (RuntimeError, NotImplementedError, ValueError):
        return "autograd, one by one"
    wrong = _differ(torch.stack(found), torch.stack(references).reshape(len(found), -1))
    return "autograd, one by one" if wrong else "torch.func"


def _differ(found: Tensor, expected: Tensor) -> bool:
    tolerance = 1e-3 if expected.dtype == torch.float32 else 1e-8
    return float((found - expected).norm()) > tolerance * float(expected.norm())
