"""MMCR: samples' centroids fill all directions, each sample's views few."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, never, of_two_views


@dataclass(frozen=True)
class MMCRConfig:
    """Maximum manifold capacity representations (used with --loss mmcr)."""

    normalize: Literal["cosine", "none"] = "cosine"
    """Scale embeddings to unit length, as the published method does, or take them as they are."""
    lambda_param: float = 5e-3
    """Weight of the term that keeps each sample's views in few directions."""


METHOD = Method(
    name="mmcr",
    title="MMCR",
    options=MMCRConfig,
    build=of_two_views("MMCRLoss"),
    is_centered=never,
    refuses_preconditioning=as_its_loss_says("MMCRLoss"),
)
