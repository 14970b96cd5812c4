"""NSCL: contrastive learning whose negatives are images of other classes alone."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, of_labels


@dataclass(frozen=True)
class NSCLConfig:
    """Negatives-only supervised contrastive learning (used with --loss nscl): no negatives of its class."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 0.1
    """Similarities are divided by this."""


METHOD = Method(
    name="nscl",
    title="NSCL",
    options=NSCLConfig,
    build=of_labels("NSCLLoss"),
    needs_labels=True,
    refuses_preconditioning=as_its_loss_says("NSCLLoss"),
)
