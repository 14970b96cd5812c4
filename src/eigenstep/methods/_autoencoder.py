"""Autoencoder: each view is given back from its own embedding."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._decoder import DecoderConfig
from eigenstep.methods._method import Method

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


@dataclass(frozen=True)
class AutoencoderConfig(DecoderConfig):
    """Autoencoder (used with --loss autoencoder): reconstructs a view from its own embedding."""


def _build(options: AutoencoderConfig, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._autoencoder import Autoencoder

    return Autoencoder(dim, options.decoder)


METHOD = Method(
    name="autoencoder", title="an autoencoder", options=AutoencoderConfig, build=_build, rate=0.01
)
