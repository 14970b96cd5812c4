"""SimCLR: each view picks its partner out of the batch."""

from dataclasses import dataclass
from typing import Literal

from eigenstep.methods._method import Method, as_its_loss_says, of_two_views
from eigenstep.methods._small_start import SmallStart, never_small


@dataclass(frozen=True)
class SimCLRConfig:
    """SimCLR's NT-Xent (used with --loss simclr)."""

    normalize: Literal["cosine", "none"] = "none"
    """Compare embeddings by cosine, as the published method does, or by inner product."""
    temperature: float = 1.0
    """Similarities are divided by this (the published method with normalize=cosine: 0.5)."""


def _small_start(options: SimCLRConfig, batch_size: int) -> SmallStart:
    from eigenstep.kernel.pairs import SimCLR

    if options.normalize == "cosine":
        raise never_small("simclr.normalize", "cosine")
    return SmallStart(SimCLR(options.temperature))


METHOD = Method(
    name="simclr",
    title="SimCLR",
    options=SimCLRConfig,
    build=of_two_views("NTXentLoss"),
    small_start=_small_start,
    refuses_preconditioning=as_its_loss_says("NTXentLoss"),
)
