"""What only images tell of a configuration: channels, range, and how their views are made."""

import dataclasses
import warnings

import torch

from eigenstep.images import Images, Pixels, check_show
from eigenstep.machine import is_leader, on_leader
from eigenstep.training.config import TrainConfig
from eigenstep.views import ViewsConfig

# What `ViewsConfig.for_channels` fills in, but for the scale.
_BY_CHANNELS = ("saturation", "hue", "grayscale_probability")
_SCALE = ("normalize", "mean", "std")
# A smaller standard deviation, of values in [0, 1], is the rounding of one that is zero.
_LEAST_SPREAD = 1e-8


def resolve_images(config: TrainConfig, images: Images) -> TrainConfig:
    """A resolved configuration with what these images tell of it, as it stands in `config.yaml`.

    Mean and standard deviation of the data set are computed here, once, where the views are to be normalised
    by them. In a group all processes call this.

    Raises
    ------
    ValueError
        For views and pictures that images of so many channels do not have.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig, open_images
    >>> config = TrainConfig(images=ImagesConfig(size=8, patches=8))
    >>> options = dict(seed=0, batch_size=4, device=torch.device("cpu"))
    >>> found = resolve_images(config, open_images(config.data, config.images, **options))
    >>> found.images.channels, found.views.normalize, found.views.hue
    (3, 'imagenet', 0.1)
    """
    pixels = images.pixels
    assert pixels is not None, "they are images"
    if is_leader():
        for note in pixels.notes:  # what was guessed of the images is told
            warnings.warn(f"{config.data}: {note}", stacklevel=2)
    views = views_for(config, pixels)
    if views.own is None and views.needs_statistics:
        views = _with_statistics(views, images)
    read = dataclasses.replace(
        config.images, channels=pixels.channels, range=pixels.range or config.images.range
    )
    return dataclasses.replace(config, images=read, views=views)


def views_for(config: TrainConfig, pixels: Pixels) -> ViewsConfig:
    """The views of images that consist of these pixels; those of one's own scale as they like.

    Raises
    ------
    ValueError
        For views and pictures that images of so many channels do not have.

    Examples
    --------
    >>> from eigenstep.images import Pixels
    >>> from eigenstep.training import TrainConfig
    >>> views_for(TrainConfig(), Pixels(channels=1)).hue
    0.0
    """
    check_show(config.images.show, pixels.channels)
    if config.views.own is not None:
        return config.views
    return config.views.for_channels(pixels.channels, getattr(torch, pixels.dtype))


def as_begun(config: TrainConfig, begun: TrainConfig) -> TrainConfig:
    """The configuration that a run goes on with: what it leaves to the images is what the run has found.

    What it sets otherwise stays, and differs.

    Examples
    --------
    >>> begun = TrainConfig(views=ViewsConfig().for_channels(3))
    >>> as_begun(TrainConfig(), begun).views.hue, as_begun(TrainConfig(), begun) == begun
    (0.1, True)
    """
    images, views = config.images, config.views
    if images.channels is None:
        images = dataclasses.replace(images, channels=begun.images.channels)
    if images.range is None or images.range[0] == "percentile":
        images = dataclasses.replace(images, range=begun.images.range)
    names = [*_BY_CHANNELS, *(_SCALE if views.normalize in (None, begun.views.normalize) else ())]
    found = {name: getattr(begun.views, name) for name in names if getattr(views, name) is None}
    return dataclasses.replace(config, images=images, views=dataclasses.replace(views, **found))


def _with_statistics(views: ViewsConfig, images: Images) -> ViewsConfig:
    found = on_leader(images.statistics)
    constant = [place for place, spread in enumerate(found.std, start=1) if not spread > _LEAST_SPREAD]
    if constant and is_leader():
        warnings.warn(
            f"channel {', '.join(map(str, constant))} has the same value in all {found.count} images and is"
            " not divided by its standard deviation, 0; leave it out with --images.take",
            stacklevel=2,
        )
    std = tuple(spread if spread > _LEAST_SPREAD else 1.0 for spread in found.std.tolist())
    return dataclasses.replace(views, mean=tuple(found.mean.tolist()), std=std)
