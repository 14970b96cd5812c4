"""How images are read."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ImagesConfig:
    """How images are read."""

    size: int = 32
    """Height and width, in pixels, of the views that the encoder sees."""
    stored_size: int | None = None
    """Images are kept as squares of this many pixels, resized and centre cropped; default: size."""
    split: str = "train"
    """Which split of a data set to use."""
    column: str | None = None
    """The column that holds the images; default: the only one that does."""
    limit: int | None = None
    """Use at most this many images."""
    patches: int = 2048
    """How many patches are cut from the photographs of `--data photos`."""
    on_broken: Literal["skip", "refuse"] = "skip"
    """What to do about an image that cannot be decoded: skip and count it, or refuse the data set."""
    label: str | None = None
    """The column that holds the labels, which probes and supervised references use; default: the only one
    that does."""
    stream: Literal["auto", "always", "never"] = "auto"
    """Decode images while training, instead of once into memory: always, never, or if they would not fit.
    Names on the hub are streamed from it without being downloaded first by "always"."""
    workers: int | None = None
    """Processes that decode streamed images; default: the cores, but 8 at most."""
    shuffle_buffer: int = 10_000
    """Images that a stream which can only be read in order is shuffled within."""
