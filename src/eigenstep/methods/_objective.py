"""What every objective is given by the loop, and offers to it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.analysis import Landmark
from eigenstep.losses import LabelledLoss, SlicedLoss, TwoViewLoss

LossAndTerms = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Embeddings:
    """What a step of one process hands to its objective.

    Attributes
    ----------
    z_a, z_b : Tensor
        (b, d) embeddings of the two views, row i of both made from the same image.
    labels : Tensor | None
        (b,) int64 classes of the images, for objectives that need them.
    target_a, target_b : Tensor | None
        (b, d) what the target network makes of the two views, without gradient, for objectives that need one.
    view_a, view_b : Tensor | None
        (b, C, H, W) images, or other tensors, as the two views were made, for objectives that need them.
    drawn_a, drawn_b : Tensor | None
        (b, n) numbers in [0, 1) by which the objective altered the views before the encoder saw them.
    step : int
        Of the run, from 0.
    generator : torch.Generator
        On the CPU, for what is random in a loss: determined by the run's seed and the step, and the same in
        every process.
    crops : tuple[Tensor, ...]
        (b, d) embeddings of the views beyond the two, for objectives that take them: the other global ones,
        then the local ones.
    n_global : int
        How many of all views are global ones, `z_a` and `z_b` among them.
    crop_targets : tuple[Tensor, ...]
        (b, d) what the target network makes of the other global ones.

    Examples
    --------
    >>> z = torch.eye(4)
    >>> seen = Embeddings(z, 0.9 * z, crops=(0.5 * z,))
    >>> len(seen.z), seen.n_global, seen.labels is None
    (3, 2, True)
    """

    z_a: Tensor
    z_b: Tensor
    labels: Tensor | None = None
    target_a: Tensor | None = None
    target_b: Tensor | None = None
    view_a: Tensor | None = None
    view_b: Tensor | None = None
    drawn_a: Tensor | None = None
    drawn_b: Tensor | None = None
    step: int = 0
    generator: torch.Generator = field(default_factory=torch.Generator)
    crops: tuple[Tensor, ...] = ()
    n_global: int = 2
    crop_targets: tuple[Tensor, ...] = ()

    @property
    def z(self) -> tuple[Tensor, ...]:
        """The embeddings of all views, (b, d) each, the global ones first."""
        return self.z_a, self.z_b, *self.crops


class Objective(nn.Module, ABC):
    """A scalar to minimise, and the parameters, if any, that are trained for it and are not the encoder's.

    Attributes
    ----------
    needs_labels : bool
        Labels of the batch are read and handed over.
    needs_views : bool
        The views are handed over, and `begin` is called.
    draws : int
        How many numbers are drawn for each view, by which `alter` makes of it what the encoder sees; 0: the
        encoder sees the views. They are determined by the run's seed and the step, and are for each image
        the same in one process and in several.
    target_momentum : float | None
        a slowly following copy of the encoder is kept and embeds the views too; how much of itself it keeps
        at each step at first (see `TargetNetwork`). None: there is no such copy.
    takes_crops : bool
        More than two views are taken, see `Embeddings.crops`; otherwise there are never any.
    fixed_rate : bool
        The objective's own parameters keep the rate that the schedule starts from.
    """

    needs_labels: bool = False
    needs_views: bool = False
    draws: int = 0
    target_momentum: float | None = None
    takes_crops: bool = False
    fixed_rate: bool = False

    @abstractmethod
    def forward(self, batch: Embeddings) -> LossAndTerms:
        """The loss, a scalar, and its terms by name, each a scalar before its weight and without gradient.

        There are no terms, {}, where the loss has only one.
        """

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        """The values that the loss has by itself, as `landmarks` of a loss; none unless an objective says so.

        Parameters
        ----------
        pairs : int
            Of the batches of all processes together.
        dim : int
            Of the embeddings.
        """
        return []

    def begin(self, shape: tuple[int, ...]) -> None:
        """Make what depends on the shape of one view, such as (C, H, W), before the first step.

        Raises
        ------
        ValueError
            For views that the objective cannot use.
        """

    def alter(self, view: Tensor, drawn: Tensor) -> Tensor:
        """What the encoder sees in the place of a view, (b, C, H, W), by the numbers drawn for it, (b, n)."""
        return view


class TwoViewObjective(Objective):
    """A loss of the two views' embeddings alone; of more views what its `of_views` gives.

    Examples
    --------
    >>> from eigenstep.losses import VICRegLoss
    >>> loss, terms = TwoViewObjective(VICRegLoss())(Embeddings(torch.eye(3), torch.eye(3)))
    >>> sorted(terms)
    ['covariance', 'invariance', 'variance']
    """

    def __init__(self, loss: TwoViewLoss) -> None:
        super().__init__()
        self.loss = loss
        self.takes_crops = loss.more_views != "refused"

    def forward(self, batch: Embeddings) -> LossAndTerms:
        return self.loss.of_views(batch.z, batch.n_global)

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return self.loss.landmarks(pairs, dim, processes=processes)


class SlicedObjective(Objective):
    """A loss of the views' embeddings along random directions, which the step's generator draws.

    Examples
    --------
    >>> from eigenstep.losses import LeJEPALoss
    >>> loss, terms = SlicedObjective(LeJEPALoss())(Embeddings(torch.eye(3), torch.eye(3)))
    >>> sorted(terms)
    ['prediction', 'sigreg']
    """

    takes_crops = True

    def __init__(self, loss: SlicedLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, batch: Embeddings) -> LossAndTerms:
        return self.loss.of_views(batch.z, batch.n_global, batch.generator)

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return self.loss.landmarks(pairs, dim, processes=processes)


class LabelledObjective(Objective):
    """A loss of the two views' embeddings and the images' classes.

    Examples
    --------
    >>> from eigenstep.losses import SupConLoss
    >>> batch = Embeddings(torch.eye(3), torch.eye(3), labels=torch.tensor([0, 0, 1]))
    >>> loss, terms = LabelledObjective(SupConLoss())(batch)
    >>> sorted(terms)
    ['alignment', 'uniformity']
    """

    needs_labels = True

    def __init__(self, loss: LabelledLoss, classes: int | None = None) -> None:
        super().__init__()
        self.loss, self.classes = loss, classes

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.labels is not None
        return self.loss.loss_and_terms(batch.z_a, batch.z_b, batch.labels)

    def landmarks(self, pairs: int, dim: int, processes: int = 1) -> list[Landmark]:
        return self.loss.landmarks(pairs, dim, processes=processes, classes=self.classes)


def check_outcome(outcome: Any, name: str, trained: bool) -> LossAndTerms:
    """What an objective has returned, as it is; raises ValueError in one line if it cannot be minimised.

    Parameters
    ----------
    name : str
        Of the objective.
    trained : bool
        Whether the embeddings carry a graph, so that the loss has to.

    Examples
    --------
    >>> check_outcome((torch.zeros(2), {}), "mine", trained=False)
    Traceback (most recent call last):
    ValueError: mine must return a scalar tensor, got a tensor of shape (2,)
    """
    if not (isinstance(outcome, tuple) and len(outcome) == 2 and isinstance(outcome[1], dict)):
        kind = type(outcome).__name__
        raise ValueError(f"{name} must return (loss, terms by name), as Objective.forward says, got {kind}")
    loss, terms = outcome
    check_loss(loss, name, trained)
    for key, term in terms.items():
        if not (isinstance(term, Tensor) and term.ndim == 0):
            raise ValueError(f"{name}: the term {key} must be a scalar tensor, got {_in_words(term)}")
    return loss, terms


def check_loss(loss: Any, name: str, trained: bool) -> None:
    """See that a loss is a real scalar tensor with a graph; ValueError in one line otherwise."""
    if not (isinstance(loss, Tensor) and loss.ndim == 0):
        raise ValueError(f"{name} must return a scalar tensor, got {_in_words(loss)}")
    if not loss.is_floating_point():
        raise ValueError(f"{name} must return a scalar tensor of real numbers, got one of {loss.dtype}")
    if trained and not loss.requires_grad:
        raise ValueError(
            f"{name} must return a loss that depends on the embeddings, got one without a gradient; compute"
            " it from z_a and z_b in torch, without .detach(), .item() or torch.no_grad()"
        )


def _in_words(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing" if value is None else type(value).__name__
