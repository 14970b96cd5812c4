"""Masked autoencoder: what is hidden of a view is given back from what is seen of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._decoder import DecoderConfig
from eigenstep.methods._method import Method

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


@dataclass(frozen=True)
class MAEConfig(DecoderConfig):
    """Masked autoencoder (used with --loss mae): hidden patches from the embedding of the visible ones."""

    ratio: float = 0.75
    """The share of the patches that is hidden."""
    patch: int = 4
    """Side of a patch in pixels, at most the view's."""


def _build(options: MAEConfig, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._mae import MaskedAutoencoder

    return MaskedAutoencoder(dim, options.decoder, options.ratio, options.patch)


def check(options: MAEConfig) -> None:
    if not 0 < options.ratio < 1:
        raise ValueError(f"mae.ratio: expected a number in (0, 1), got {options.ratio}")
    if options.patch < 1:
        raise ValueError(f"mae.patch is too small: expected at least 1, got {options.patch}")


METHOD = Method(
    name="mae", title="a masked autoencoder", options=MAEConfig, build=_build, rate=0.01, check=check
)
