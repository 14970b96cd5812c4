"""Barlow Twins: the cross-correlation of the two views becomes the identity."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, of_two_views
from eigenstep.methods._small_start import SmallStart, never_small


@dataclass(frozen=True)
class BarlowTwinsConfig:
    """Barlow Twins (used with --loss barlow_twins)."""

    normalize: Literal["batch", "none"] = "none"
    """Standardise each embedding dimension over the batch, as the published method does, or not."""
    center: bool = True
    """Subtract the batch mean, of both views together."""
    symmetrize: bool = True
    """Use the cross-correlation of both orders of the views (the published method: of one)."""
    lambda_param: float = 1.0
    """Weight of the off-diagonal terms (the published method with normalize=batch: 0.005)."""
    scale: float = 1.0
    """Multiplies the loss."""


def _is_centered(options: BarlowTwinsConfig) -> bool:
    return options.center or options.normalize == "batch"


def _small_start(options: BarlowTwinsConfig, batch_size: int) -> SmallStart:
    from eigenstep.kernel.pairs import BarlowTwins

    if options.normalize == "batch":
        raise never_small("barlow_twins.normalize", "batch")
    return SmallStart(BarlowTwins(), options.center, options.scale)


METHOD = Method(
    name="barlow_twins",
    title="Barlow Twins",
    options=BarlowTwinsConfig,
    build=of_two_views("BarlowTwinsLoss"),
    rate=0.005,
    is_centered=_is_centered,
    small_start=_small_start,
    refuses_preconditioning=as_its_loss_says("BarlowTwinsLoss"),
)
