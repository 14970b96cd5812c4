"""Supervised contrastive learning: images of one class are each other's views."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, of_labels


@dataclass(frozen=True)
class SupConConfig:
    """Supervised contrastive learning (used with --loss supcon): a class is one sample of many views."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""


METHOD = Method(
    name="supcon",
    title="SupCon",
    options=SupConConfig,
    build=of_labels("SupConLoss"),
    needs_labels=True,
    refuses_preconditioning=as_its_loss_says("SupConLoss"),
)
