"""Cross-view autoencoder: each view is given back from the other one's embedding."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenstep.methods._decoder import DecoderConfig
from eigenstep.methods._method import Method

if TYPE_CHECKING:
    from eigenstep.methods._objective import Objective


@dataclass(frozen=True)
class CrossViewAutoencoderConfig(DecoderConfig):
    """Cross-view autoencoder (used with --loss cross_view_autoencoder): a view from the other's embedding."""


def _build(options: CrossViewAutoencoderConfig, dim: int, classes: int) -> "Objective":
    from eigenstep.methods.objectives._cross_view_autoencoder import CrossViewAutoencoder

    return CrossViewAutoencoder(dim, options.decoder)


METHOD = Method(
    name="cross_view_autoencoder",
    title="a cross-view autoencoder",
    options=CrossViewAutoencoderConfig,
    build=_build,
    rate=0.01,
)
