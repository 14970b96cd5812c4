"""A loss of one's own, plugged in from Python."""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from eigenstep.losses import TwoViewLoss, gather_batch
from eigenstep.methods._method import Method, NoOptions
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective, check_loss

# What a run's configuration says of its loss: this, and the name of the callable.
PREFIX = "python:"

Loss = Callable[[Tensor, Tensor], Tensor]


class PluggedObjective(Objective):
    """Any callable of the two views' embeddings; of a module the parameters are trained too.

    It is called with the joint batch of all processes, in float32 or better. One that gathers by itself,
    and says so by an attribute `gather_distributed`, is called with this process's embeddings.

    Examples
    --------
    >>> def distance(z_a, z_b):
    ...     return (z_a - z_b).square().mean()
    >>> PluggedObjective(distance)(Embeddings(torch.zeros(4, 2), torch.ones(4, 2)))
    (tensor(1.), {})
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, batch: Embeddings) -> LossAndTerms:
        z_a, z_b = batch.z_a, batch.z_b
        if not getattr(self.loss, "gather_distributed", False):
            joint = gather_batch(z_a, z_b)
            z_a, z_b = joint.z_a, joint.z_b
        with torch.autocast(z_a.device.type, enabled=False):
            if isinstance(self.loss, TwoViewLoss):
                return self.loss.loss_and_terms(z_a, z_b)
            loss = self.loss(z_a, z_b)
            check_loss(loss, name_of(self.loss), z_a.requires_grad and torch.is_grad_enabled())
            return loss, self._terms(z_a, z_b)

    @torch.no_grad()
    def _terms(self, z_a: Tensor, z_b: Tensor) -> dict[str, Tensor]:
        terms = getattr(self.loss, "terms", None)
        return {name: term.detach() for name, term in terms(z_a, z_b).items()} if callable(terms) else {}


def plugged(objective: Loss | Objective) -> Method[NoOptions]:
    """The method of an `Objective`, or of any callable (z_a, z_b) -> scalar.

    Raises
    ------
    TypeError
        For what cannot be called.

    Examples
    --------
    >>> plugged(torch.nn.MSELoss()).name
    'python:MSELoss'
    """
    if not callable(objective):
        raise TypeError(
            f"objective: expected a callable (z_a, z_b) -> scalar or an Objective, got {objective!r}"
        )
    built = objective if isinstance(objective, Objective) else PluggedObjective(objective)
    name = name_of(objective)
    return Method(
        name=PREFIX + name,
        title=name,
        options=NoOptions,
        build=lambda options, dim, classes: built,
        needs_labels=built.needs_labels,
    )


def absent(loss: str) -> Method[NoOptions]:
    """The method of an object that a run's configuration names and that is not at hand: told, not built."""
    name = loss.removeprefix(PREFIX)

    def refuse(*_: Any) -> NoReturn:
        raise ValueError(
            f"the loss {loss} is a Python object of the program that began the run: go on with it there, by"
            f" train(config, out, resume=True, objective={name})"
        )

    return Method(name=loss, title=name, options=NoOptions, build=refuse, check=refuse)


def name_of(objective: Any) -> str:
    """A function's name, or an object's class's."""
    if isinstance(objective, nn.Module) or not hasattr(objective, "__name__"):
        return type(objective).__name__
    return str(objective.__name__)
