"""What every objective offers to the loop."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from eigenstep.losses._two_view_loss import TwoViewLoss


@dataclass(frozen=True)
class Embeddings:
    """What a step of one process hands to its objective.

    Attributes
    ----------
    z_a, z_b : (b, d) embeddings of the two views, row i of both made from the same image
    labels : (b,) int64 classes of the images, for objectives that need them
    target_a, target_b : (b, d) what the target network makes of the two views, without gradient, for
        objectives that need one
    """

    z_a: Tensor
    z_b: Tensor
    labels: Tensor | None = None
    target_a: Tensor | None = None
    target_b: Tensor | None = None


class Objective(nn.Module, ABC):
    """A scalar to minimise, and the parameters, if any, that are trained for it and are not the encoder's.

    Class attributes
    ----------------
    needs_labels : labels of the batch are read and handed over
    needs_target : a slowly following copy of the encoder is kept and embeds the views too
    fixed_rate : the objective's own parameters keep the rate that the schedule starts from
    """

    needs_labels = False
    needs_target = False
    fixed_rate = False

    @abstractmethod
    def forward(self, batch: Embeddings) -> Tensor:
        """The loss, a scalar."""

    def terms(self, batch: Embeddings) -> dict[str, Tensor]:
        """The loss's terms by name, each a scalar before its weight; none where it has only one."""
        return {}


class TwoViewObjective(Objective):
    """A loss of the two views' embeddings alone.

    >>> import torch
    >>> from eigenstep.losses import VICRegLoss
    >>> sorted(TwoViewObjective(VICRegLoss()).terms(Embeddings(torch.eye(3), torch.eye(3))))
    ['covariance', 'invariance', 'variance']
    """

    def __init__(self, loss: TwoViewLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, batch: Embeddings) -> Tensor:
        return self.loss(batch.z_a, batch.z_b)

    def terms(self, batch: Embeddings) -> dict[str, Tensor]:
        return self.loss.terms(batch.z_a, batch.z_b)
