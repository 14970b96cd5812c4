"""The limits on how large an image may be: in pixels, and packed in an archive."""

from eigenstep.images._config import ImagesConfig
from eigenstep.machine import available_memory, size_in_words

# Of fewer it is not asked whether there is room.
MANY_BYTES = 2**28


def check_size(width: int, height: int, config: ImagesConfig) -> None:
    """Raises ValueError, which names the option, if an image has more pixels than `config.most_pixels`."""
    count = width * height
    if count > config.most_pixels:
        words = f"{count / 1e6:,.0f} million" if count >= 1e6 else f"{count:,}"
        raise ValueError(f"it has {words} pixels, more than --images.most-pixels")


def check_unpacked(size: int) -> None:
    """Raises ValueError if a file that is packed in an archive takes more bytes than there is memory.

    Examples
    --------
    >>> check_unpacked(1000)
    """
    if size >= MANY_BYTES and size > (available_memory() or size):
        raise ValueError(f"it takes {size_in_words(size)} unpacked, more than this machine has of memory")
