"""How images are read."""

from dataclasses import dataclass
from typing import Any, Literal

# The lowest and the highest value, or which percentiles of the data set's they are.
Range = tuple[float, float] | tuple[Literal["percentile"], float, float] | None


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
    channels: int | None = None
    """Channels of the images that the encoder sees; default: as many as the data set's images have. With 3,
    grey images become three equal channels; with 1, colours become grey."""
    take: tuple[int, ...] = ()
    """Which of a file's channels are used, in this order, counted from 1; default: all."""
    range: Range = None
    """Values that become 0 and 1: two numbers, or "percentile" and two percentages of all values of the data
    set. Default: the whole range of 8- or 16-bit whole numbers; for other numbers, the lowest and the highest
    value of the data set, with a line that says so."""
    pages: Literal["channels", "images"] = "channels"
    """What the pages of a file with several are: channels of one image, or images of their own."""
    layout: Literal["HWC", "CHW", "NHW", "NHWC", "NCHW"] | None = None
    """The axes of arrays in .npy and .npz files; default: guessed from their sizes, with a line that says
    so."""
    most_pixels: int = 2**30
    """Larger images, height times width, are passed over."""
    show: tuple[int, ...] = ()
    """The channels that pictures show as red, green and blue, or the one that they show as grey, counted from
    1; default: by their number."""
    patches: int = 2048
    """How many patches are cut from the photographs of `--data photos`."""
    broken: Literal["refuse", "pass"] | None = None
    """What to do about images that cannot be decoded and about damaged archives and tables: refuse the data
    set, or pass over them and count and name them; default: pass over single images, refuse damaged files."""
    root: str | None = None
    """The folder in which rows of a table may name image files; default: the data set's own."""
    label: str | None = None
    """The column that holds the labels, which probes and supervised references use; default: the only one
    that does."""
    stream: Literal["auto", "always", "never"] = "auto"
    """Decode images while training, instead of once into memory: always, never, or if they would not fit.
    Names on the hub are streamed from it without being downloaded first by "always"."""
    workers: int | None = None
    """Processes that decode streamed images; default: one for each core, at most 8."""
    shuffle_buffer: int = 10_000
    """Size of the buffer, in images, that shuffles a stream which can only be read in order."""

    @staticmethod
    def of_older(tree: dict[str, Any]) -> dict[str, Any]:
        """The tree of one written when `broken` was `on_broken` and all images were RGB."""
        tree = dict(tree)
        if {"size", "column", "stream"} <= set(tree) and "channels" not in tree:
            tree["channels"] = 3
        if "on_broken" in tree:
            tree["broken"] = {"skip": None}.get(tree["on_broken"], tree["on_broken"])
            del tree["on_broken"]
        return tree
