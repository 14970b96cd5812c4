"""Supervised contrastive learning: images of one class are each other's views."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from eigenstep.losses import SupConLoss
from eigenstep.methods._method import Method, as_its_loss_says
from eigenstep.methods._objective import Embeddings, LossAndTerms, Objective


@dataclass(frozen=True)
class SupConConfig:
    """Supervised contrastive learning (used with --loss supcon): a class is one sample of many views."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""


class SupervisedContrastive(Objective):
    """Images of one class are each other's views."""

    needs_labels = True

    def __init__(self, loss: SupConLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, batch: Embeddings) -> LossAndTerms:
        assert batch.labels is not None
        return self.loss.loss_and_terms(batch.z_a, batch.z_b, batch.labels)


def _build(options: SupConConfig, dim: int, classes: int) -> SupervisedContrastive:
    return SupervisedContrastive(SupConLoss(gather_distributed=True, **dataclasses.asdict(options)))


METHOD = Method(
    name="supcon",
    title="SupCon",
    options=SupConConfig,
    build=_build,
    needs_labels=True,
    refuses_preconditioning=as_its_loss_says(SupConLoss),
)
