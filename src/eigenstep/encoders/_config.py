"""How an encoder is built, and how images go into it."""

from dataclasses import dataclass, field
from typing import Protocol

from eigenstep.images import ImagesConfig
from eigenstep.views import ViewsConfig


@dataclass(frozen=True)
class ProjectorConfig:
    """The layers between the backbone's features and the embedding."""

    hidden: tuple[int, ...] = (128,)
    """Widths of the hidden layers, each followed by ReLU."""
    dim: int = 16
    """Dimension d of the embedding."""
    batch_norm: bool = False
    """Batch normalisation after each hidden layer."""
    batch_norm_output: bool = False
    """Batch normalisation, without scale and shift, of the embedding."""
    init_scale: float = 1e-2
    """The last layer's initial weights are multiplied by this; small values make learning stepwise."""


@dataclass(frozen=True)
class EncoderConfig:
    """What a training's configuration says of its encoder, by the same names."""

    data: str = "photos"
    backbone: str = "convnet"
    backbone_weights: str | None = None
    seed: int = 0
    images: ImagesConfig = field(default_factory=ImagesConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)


class EncoderSettings(Protocol):
    """What says how images go into an encoder: an `EncoderConfig`, or a whole training's configuration."""

    @property
    def images(self) -> ImagesConfig: ...
    @property
    def views(self) -> ViewsConfig: ...
    @property
    def projector(self) -> ProjectorConfig: ...
    @property
    def backbone(self) -> str: ...
    @property
    def backbone_weights(self) -> str | None: ...
    @property
    def seed(self) -> int: ...
