"""How images are read."""

from dataclasses import dataclass
from typing import Any, Literal


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
    broken: Literal["refuse", "pass"] | None = None
    """What to do about images that cannot be decoded and about damaged archives and tables: refuse the data
    set, or pass over them, counted and named; default: pass over single images, refuse damaged files."""
    root: str | None = None
    """The folder within which rows of a table may name image files; default: the data set's own."""
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

    @staticmethod
    def of_older(tree: dict[str, Any]) -> dict[str, Any]:
        """The tree of a configuration that was written when `broken` was `on_broken`."""
        tree = dict(tree)
        if "on_broken" in tree:
            tree["broken"] = {"skip": None}.get(tree["on_broken"], tree["on_broken"])
            del tree["on_broken"]
        return tree
