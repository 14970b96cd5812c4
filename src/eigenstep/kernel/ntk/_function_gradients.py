"""Per-sample gradients without formulas: by torch.func, or by autograd one sample at a time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import grad, vmap

from eigenstep.kernel.ntk._network import Network


def function_gradients(
    network: Network, names: Sequence[str], batch: Tensor, cotangent: Tensor, parameters: Mapping[str, Tensor]
) -> Tensor:
    """Return the gradients (b, P) of cotangent . outputs of each sample, by torch.func."""

    def output(chosen: Mapping[str, Tensor], sample: Tensor) -> Tensor:
        return (network.outputs(sample[None], {**parameters, **chosen}) @ cotangent).sum()

    chosen = {name: parameters[name].detach() for name in names}
    with warnings.catch_warnings():
        # That an operation is mapped one sample at a time: it is slow, and right.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        found = vmap(grad(output), (None, 0))(chosen, batch)
    return torch.cat([found[name].reshape(len(batch), -1) for name in names], dim=1).detach()


def gradients_one_by_one(
    network: Network, names: Sequence[str], batch: Tensor, cotangent: Tensor, parameters: Mapping[str, Tensor]
) -> Tensor:
    """Return the same, (b, P), by a forward and a backward pass for each sample."""
    rows = []
    for sample in batch:
        with torch.enable_grad():
            output = (network.outputs(sample[None], parameters) @ cotangent).sum()
        leaves = [parameters[name] for name in names]
        found = torch.autograd.grad(output, leaves, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([gradient.flatten() for gradient in found]))
    return torch.stack(rows)


FUNCTION_METHODS = {"torch.func": function_gradients, "autograd, one by one": gradients_one_by_one}
