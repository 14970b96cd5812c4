"""Spectral contrastive learning: the views' similarities as the factorisation of a matrix."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, never, of_two_views


@dataclass(frozen=True)
class SpectralContrastiveConfig:
    """The spectral contrastive loss (used with --loss spectral_contrastive)."""

    normalize: Literal["none", "ball"] = "none"
    """Take embeddings as they are, or, as published, shorten those that are longer than the root of mu."""
    mu: float = 1.0
    """Squared radius of the ball (used with normalize=ball); the loss is divided by it."""


METHOD = Method(
    name="spectral_contrastive",
    title="the spectral contrastive loss",
    options=SpectralContrastiveConfig,
    build=of_two_views("SpectralContrastiveLoss"),
    rate=0.005,
    is_centered=never,
    refuses_preconditioning=as_its_loss_says("SpectralContrastiveLoss"),
)
