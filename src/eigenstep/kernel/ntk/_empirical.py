"""`empirical_ntk`: the tangent kernel of a network as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eigenstep.kernel.ntk._computation import Computation
from eigenstep.kernel.ntk._contraction import LayerAccount
from eigenstep.kernel.ntk._products import Pairs
from eigenstep.kernel.ntk._subject import Subject, bytes_to_use


def empirical_ntk(
    model: nn.Module,
    X: Any,
    Y: Any = None,
    *,
    outputs: str | int = "mean",
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    memory_budget: float | None = None,
    random_state: Any = None,
) -> EmpiricalNTK:
    """Return the empirical neural tangent kernel of a model between samples, exactly.

        Theta(x, x') = 1/O sum_o <grad f_o(x), grad f_o(x')>

    over all parameters that require grad: the mean of the O diagonal blocks of J J^T. Layer by layer, from
    inputs a and output gradients g: the gradient of a weight is sum_t g_t a_t^T over positions t, and its
    inner products are sum_ts (a_t . a'_s)(g_t . g'_s) or those of the gradients, whichever takes fewer flops.
    Source: Jacot et al., arXiv:1806.07572; Novak et al., arXiv:2206.08720.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; maps a batch (n, ...) to outputs (n, ...), which are flattened to O.
    X, Y : Any
        Arrays or tensors of samples (n, ...) and (m, ...); Y is X by default, and then half is computed.
    outputs : str | int
        "mean"; "random", one random combination of the outputs whose kernel has that mean, in 1/O of the
        time; or an integer, that output alone.
    chunk_size : int | None
        Samples of a forward pass, at least 2.
    dtype : torch.dtype | None
        torch.float32 or torch.float64; by default that of the parameters.
    device : torch.device | str | None
        Where to compute; by default where the parameters are.
    memory_budget : float | None
        Bytes for the inputs and gradients of all samples; passes are repeated where these do not fit. By
        default 60 % of the free memory.
    random_state : Any
        Seed of outputs="random".

    Returns
    -------
    EmpiricalNTK
        `.matrix` (n, m), an array for arrays and a tensor on X's device for tensors, and `.layers`

    Raises
    ------
    ValueError
        A model in training mode with batch normalisation, dropout or another layer that computes something
        else there, or changes itself; without trainable parameters; with an output that depends on none of
        them, is not deterministic or depends on other samples of the batch; samples of the wrong kind; NaN or
        infinity; options out of range.
    MemoryError
        If memory_budget, or the free memory, is too small for three samples of one layer.

    Examples
    --------
    >>> model = nn.Linear(3, 2)
    >>> x = torch.eye(3)
    >>> empirical_ntk(model, x).matrix.round()  # x.x' + 1
    tensor([[2., 1., 1.],
            [1., 2., 1.],
            [1., 1., 2.]])
    """
    parts = [X] if Y is None else [X, Y]
    subject = Subject(
        model,
        parts,
        outputs=outputs,
        chunk_size=chunk_size,
        dtype=dtype,
        device=device,
        random_state=random_state,
    )
    budget = bytes_to_use(memory_budget, 0.6, subject.network.device)
    n = len(subject.samples.parts[0])
    others = None if Y is None else range(n, len(subject.samples))
    computation = Computation(subject, Pairs(n, len(others or ())), budget)
    total = computation.between(range(n), others)
    if not bool(torch.isfinite(total).all()):
        raise ValueError(
            "expected finite gradients, got NaN or infinity; a root or a logarithm of zero in the forward "
            "does this, or values too large for the dtype"
        )
    if subject.samples.single:
        total = total[:1, :1]
    return EmpiricalNTK(
        matrix=subject.returned(total.to(subject.network.dtype)),
        layers=computation.accounts(),
        notes=subject.survey.notes,
        outputs=outputs,
        n_outputs=subject.cotangents.shape[1],
        pass_seconds=computation.pass_seconds,
    )


@dataclass(frozen=True, eq=False)
class EmpiricalNTK:
    """What `empirical_ntk` returns.

    Attributes
    ----------
    matrix : Any
        (n, m) kernel values, an array or tensor as the samples are.
    layers : tuple[LayerAccount, ...]
        The account of every layer, in the network's order.
    notes : tuple[str, ...]
        Parameters without a formula and why, and parameters that outputs do not depend on.
    outputs : str | int
        "mean", "random" or the output's number.
    n_outputs : int
        O.
    pass_seconds : float
        Spent on forward and backward passes.
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
