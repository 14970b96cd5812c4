"""Decoupled contrastive learning: NT-Xent without the positive pair among the negatives."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, of_two_views


@dataclass(frozen=True)
class DCLConfig:
    """Decoupled contrastive learning (used with --loss dcl)."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""
    sigma: float | None = None
    """Width of the weights of positive pairs (the published DCLW: 0.5); default: no weights."""


METHOD = Method(
    name="dcl",
    title="DCL",
    options=DCLConfig,
    build=of_two_views("DCLLoss"),
    refuses_preconditioning=as_its_loss_says("DCLLoss"),
)
