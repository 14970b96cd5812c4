"""A loss of one's own, plugged in from Python."""

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from eigenstep.analysis import Landmark
from eigenstep.losses import TwoViewLoss, gather_batch, gather_views, mean_over_pairs
from eigenstep.methods._method import Method, NoOptions
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective, check_loss
from eigenstep.spelling import PYTHON, absent_object, python_name

Loss = Callable[[Tensor, Tensor], Tensor]


class PluggedObjective(Objective):
    """Any callable of the two views' embeddings; of a module the parameters are trained too.

    It is called with the joint batch of all processes, in float32 or better. One that gathers by itself,
    and says so by an attribute `gather_distributed`, is called with this process's embeddings. Of more than
    two views the loss is the mean over pairs, see `eigenstep.losses.mean_over_pairs`, unless its attribute
    `more_views` is "refused".

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
        self.takes_crops = getattr(loss, "more_views", "by_pairs") != "refused"

    def forward(self, batch: Embeddings) -> LossAndTerms:
        z_a, z_b, crops = batch.z_a, batch.z_b, list(batch.crops)
        if not getattr(self.loss, "gather_distributed", False):
            joint = gather_batch(z_a, z_b)
            z_a, z_b, crops = joint.z_a, joint.z_b, gather_views(crops)
        with torch.autocast(z_a.device.type, enabled=False):
            if isinstance(self.loss, TwoViewLoss):
                return self.loss.of_views([z_a, z_b, *crops], batch.n_global)
            if crops:
                return mean_over_pairs(self._of_two, [z_a, z_b, *crops], batch.n_global)
            return self._of_two(z_a, z_b)

    def _of_two(self, z_a: Tensor, z_b: Tensor) -> LossAndTerms:
        loss = self.loss(z_a, z_b)
        name = python_name(self.loss).removeprefix(PYTHON)
        check_loss(loss, name, z_a.requires_grad and torch.is_grad_enabled())
        return loss, self._terms(z_a, z_b)

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        """Those that the loss has a method for, as the losses of `eigenstep.losses` have."""
        find = getattr(self.loss, "landmarks", None)
        # One that does not gather is given the joint batch.
        gathers = getattr(self.loss, "gather_distributed", False)
        return list(find(pairs, dim, processes=processes if gathers else 1)) if callable(find) else []

    @torch.no_grad()
    def _terms(self, z_a: Tensor, z_b: Tensor) -> dict[str, Tensor]:
        terms = getattr(self.loss, "terms", None)
        return {name: term.detach() for name, term in terms(z_a, z_b).items()} if callable(terms) else {}


def plugged(objective: Loss | Objective) -> Method[NoOptions]:
    """The method of an `Objective`, or of any callable (z_a, z_b) -> scalar.

    Raises
    ------
    TypeError
        If the objective cannot be called.

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
    name = python_name(objective)
    return Method(
        name=name,
        title=name.removeprefix(PYTHON),
        options=NoOptions,
        build=lambda options, dim, classes: built,
        is_centered=lambda options: _is_centered(built),
        needs_labels=built.needs_labels,
        refuses_preconditioning=lambda options: _refuses_preconditioning(built),
    )


def _is_centered(objective: Objective) -> bool:
    loss = objective.loss if isinstance(objective, PluggedObjective) else None
    return not isinstance(loss, TwoViewLoss) or bool(getattr(loss, "center", True))


def _refuses_preconditioning(objective: Objective) -> str | None:
    if isinstance(objective, PluggedObjective) and isinstance(objective.loss, TwoViewLoss):
        return objective.loss.refuses_preconditioning
    return (
        "it is not known whether it normalises; give objective=eigenstep.optim.Preconditioned(loss) instead"
    )


def absent(loss: str) -> Method[NoOptions]:
    """The method of an object that a run's configuration names and that is not at hand: told, not built."""

    def refuse(*_: Any) -> NoReturn:
        raise ValueError(absent_object("loss", loss, "objective"))

    return Method(name=loss, title=loss.removeprefix(PYTHON), options=NoOptions, build=refuse, check=refuse)
