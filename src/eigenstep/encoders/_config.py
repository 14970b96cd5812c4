"""How an encoder is built, and how images go into it."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from eigenstep.images import ImagesConfig
from eigenstep.views import ViewsConfig

# What of a backbone is not trained.
FreezeWhat = int | Literal["none", "norms", "all"]
# Kernels of images by name, see `eigenstep.encoders.features.kernel_features`.
ImageKernel = Literal["linear", "rbf", "features", "random_conv", "patches"]


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
    weights_prefix: str | None = None
    pretrained: bool = False
    seed: int = 0
    images: ImagesConfig = field(default_factory=ImagesConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)

    @staticmethod
    def of_older(tree: dict[str, Any]) -> dict[str, Any]:
        """The tree of a configuration of an earlier release, see `of_three_channels`."""
        return of_three_channels(tree)


def of_three_channels(tree: dict[str, Any]) -> dict[str, Any]:
    """A configuration's tree that says of its images that they have three channels, where all had.

    In those files `views.normalize` is true or false, and in later ones a word.

    Examples
    --------
    >>> of_three_channels({"views": {"normalize": True}, "images": {"size": 32}})["images"]
    {'size': 32, 'channels': 3}
    """
    views, images = tree.get("views"), tree.get("images", {})
    if not isinstance(views, dict) or not isinstance(views.get("normalize"), bool):
        return tree
    if not isinstance(images, dict) or "channels" in images:
        return tree
    return tree | {"images": images | {"channels": 3}}


def channels_of(settings: "EncoderSettings") -> int:
    """Channels of the images that an encoder of these settings takes: 3 where no images have told.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> channels_of(TrainConfig())
    3
    """
    return settings.images.channels or 3


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
    def weights_prefix(self) -> str | None: ...
    @property
    def pretrained(self) -> bool: ...
    @property
    def seed(self) -> int: ...
