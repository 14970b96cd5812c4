"""An empirical kernel and the account of how it was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerAccount:
    """What one layer's part of a kernel took.

    name : of the layer, or of the parameter where it stands alone
    method : "positions" (products of inputs times products of output gradients), "gradients" (per-sample
        gradients by formula), "torch.func" or "autograd, one by one" (without a formula)
    parameters : names of its parameters
    n_parameters : how many numbers they are
    flops : additions and multiplications, without forward and backward passes
    seconds : likewise
    """

    name: str
    method: str
    parameters: tuple[str, ...]
    n_parameters: int
    flops: float
    seconds: float


@dataclass(frozen=True, eq=False)
class EmpiricalNTK:
    """What `empirical_ntk` returns.

    matrix : (n, m) kernel values, an array or tensor as the samples are
    layers : the account of every layer, in the network's order
    notes : parameters without a formula and why, and parameters that outputs do not depend on
    outputs : "mean", "random" or the output's number
    n_outputs : O
    pass_seconds : spent on forward and backward passes
    """

    matrix: Any
    layers: tuple[LayerAccount, ...]
    notes: tuple[str, ...]
    outputs: str | int
    n_outputs: int
    pass_seconds: float

    def __str__(self) -> str:
        lines = [
            f"{one.name:40s} {one.method:12s} {one.n_parameters:>12,} parameters"
            f" {one.flops / 1e9:10.2f} GFLOP {one.seconds:8.2f} s"
            for one in self.layers
        ]
        lines.append(f"{'forward and backward passes':40s} {'':53s} {self.pass_seconds:8.2f} s")
        return "\n".join([*lines, *self.notes])
