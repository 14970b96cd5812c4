"""The checks of a training before its first step, all of them."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from eigenstep.advice.checks import _batch, _loss, _network, _numbers, _optimizer, _views
from eigenstep.advice.checks._batches import ask_again, first_batches
from eigenstep.advice.checks._finding import Check, Checked, Finding
from eigenstep.advice.checks._known import Known
from eigenstep.advice.checks._loop import ForeignLoop, device_of
from eigenstep.advice.checks._unchanged import random_state_kept
from eigenstep.machine import world_size

CHECKS: tuple[Check, ...] = (
    *_views.CHECKS,
    *_network.CHECKS,
    *_optimizer.CHECKS,
    *_numbers.CHECKS,
    *_loss.CHECKS,
    *_batch.CHECKS,
)


def check(
    model: nn.Module,
    views: Iterable[Any],
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    optimizer: Optimizer | None = None,
    *,
    teacher: nn.Module | None = None,
    layer: str | None = None,
) -> Checked:
    """Check a training loop before its first step, on its first three batches.

    Three steps are made on a copy of model, loss and optimiser. Weights, running statistics, gradients,
    modes, the optimiser's state and the random states of Python, NumPy and torch stay as they are; no file is
    written. A generator given as `views` loses three batches. Of several processes all call this.

    Parameters
    ----------
    model : nn.Module
        Gives embeddings (n, d) of a view (n, ...); of several outputs the last one is taken.
    views : Iterable[Any]
        Batches of two views, `(v0, v1)`, `(views, ...)` or `{"views": ...}`: a list, a generator, or a
        DataLoader, which is asked for the same samples twice as well.
    loss : Callable[[Tensor, Tensor], Tensor] | None
        (z_a, z_b) -> scalar. What it keeps beside itself, as a closure may, is not copied.
    optimizer : Optimizer | None
        Of the model's parameters.
    teacher : nn.Module | None
        The copy that follows the model; by default a module of the model named so (teacher, target, momentum,
        ema).
    layer : str | None
        The module whose output is the embedding, as in `model.named_modules()`; default: the model itself.

    Returns
    -------
    Checked
        The table as text by `str`, `ok` unless something is wrong, and each finding by its name.

    Raises
    ------
    ValueError
        For batches of another form, and a layer that there is not.
    TypeError
        For what is no module, no optimiser, no loss and no iterable.

    Examples
    --------
    >>> import torch
    >>> from eigenstep.losses import BarlowTwinsLoss
    >>> _ = torch.manual_seed(0)
    >>> x = [torch.randn(64, 16) for _ in range(3)]
    >>> batches = [(each + torch.randn(64, 16), each + torch.randn(64, 16)) for each in x]
    >>> model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    >>> found = check(model, batches, BarlowTwinsLoss(), torch.optim.Adam(model.parameters(), lr=0.3))
    >>> found.ok, found["rate"].action
    (False, 'torch.optim.Adam(..., lr=1e-3)')
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss: expected a callable (z_a, z_b) -> scalar, got {type(loss).__name__}")
    began = time.perf_counter()
    with random_state_kept(views):
        loop = ForeignLoop(model, loss, optimizer, teacher, layer)
        place = device_of(loop.model)
        batches = [(a.to(place), b.to(place)) for a, b in first_batches(views)]
        size = len(batches[0][0]) * world_size()
        return judged(Known(loop, batches, ask_again(views), batch_size=size), began)


def judged(known: Known, began: float) -> Checked:
    """The findings of all checks; one that breaks off is told as not checked."""
    findings = [(each, _judge(each, known)) for each in CHECKS]
    return Checked(findings, known.trial.rows, known.batch_size, time.perf_counter() - began)


def _judge(check: Check, known: Known) -> Finding:
    try:
        return check.judge(known)
    except Exception as error:  # a loop of one's own may raise anything
        return Finding(
            "not checked", f"broke off by {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        )
