"""How the images of a data set are stored: squares of one size, type and number of channels."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import Record, as_pixels, read_image
from eigenstep.images.stored._channels import taken, with_channels
from eigenstep.images.stored._scale import TOPS, as_type, range_of, scaled
from eigenstep.images.stored._squares import middle_square


class Square(NamedTuple):
    """One image as it is stored.

    Attributes
    ----------
    values : np.ndarray
        (C, S, S).
    is_enlarged : bool
        The image was smaller than S.
    has_gaps : bool
        Some of its values were no finite numbers.
    note : str | None
        What it lost because it is unlike the images that were looked at.
    """

    values: np.ndarray
    is_enlarged: bool
    has_gaps: bool
    note: str | None = None


@dataclass(frozen=True)
class StoredFormat:
    """How images are stored.

    Attributes
    ----------
    config : ImagesConfig
        How they are read, and their size.
    pixels : Pixels
        What they consist of.

    Examples
    --------
    >>> stored = StoredFormat(ImagesConfig(size=16), Pixels())
    >>> square = stored.square(np.zeros((20, 30, 3), np.uint8))
    >>> square.values.shape, square.is_enlarged, stored.room(4).shape
    ((3, 16, 16), False, (4, 3, 16, 16))
    """

    config: ImagesConfig
    pixels: Pixels

    @property
    def size(self) -> int:
        """S."""
        return self.config.stored_size or self.config.size

    def room(self, count: int) -> np.ndarray:
        """Room for `count` images: zeros of (count, C, S, S)."""
        return np.zeros((count, self.pixels.channels, self.size, self.size), self.pixels.dtype)

    def square(self, record: Record) -> Square:
        """A record, decoded; raises what its decoder raises, and ValueError if its channels do not fit."""
        return self.square_of(read_image(record, self.config, colours_as_array=self.pixels.channels == 3))

    def square_of(self, image: Image.Image | np.ndarray) -> Square:
        """An image that has been read, by Pillow in mode 1, L or RGB, or as pixels (H, W, C)."""
        if isinstance(image, Image.Image) and self._is_plain:
            mode = {1: "L", 3: "RGB"}[self.pixels.channels]
            is_enlarged = min(image.size) < self.size
            converted = image if image.mode == mode else image.convert(mode)
            note = self._lost(len(image.getbands()), 1)
            return Square(middle_square(converted, self.size), is_enlarged, False, note)
        found = taken(as_pixels(image), self.config)
        is_enlarged = min(found.shape[:2]) < self.size
        dtype = self.pixels.dtype
        note = self._lost(found.shape[2], found.dtype.itemsize)
        low, high = range_of(found.dtype, self.config, self.pixels)
        found = with_channels(found, self.pixels.channels)
        if found.dtype == np.uint8 and dtype == "uint8":
            return Square(middle_square(_stretched(found, low, high), self.size), is_enlarged, False, note)
        values, has_gaps = scaled(found, low, high, TOPS[dtype])
        return Square(as_type(middle_square(values, self.size), dtype), is_enlarged, has_gaps, note)

    def _lost(self, channels: int, itemsize: int) -> str | None:
        config, pixels = self.config, self.pixels
        if config.channels is None and not config.take and channels > pixels.channels:
            return (
                "some images have colours, unlike those that were looked at, and became grey;"
                " set --images.channels 3 to keep them"
            )
        if config.range is None and pixels.dtype == "uint8" and itemsize > 1:
            return (
                "some images have more than 8 bits, unlike those that were looked at, and are stored with 8"
            )
        return None

    @property
    def _is_plain(self) -> bool:
        """Pictures of 8 bits are stored as they are, grey or in colours, for which Pillow does everything."""
        config, pixels = self.config, self.pixels
        plain = pixels.dtype == "uint8" and config.range is None and not config.take
        return plain and pixels.channels in (1, 3)


def _stretched(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 pixels, of which `low` becomes 0 and `high` 255."""
    if (low, high) == (0, 255):
        return pixels
    table = as_type(scaled(np.arange(256, dtype=np.int64), low, high, 255)[0], "uint8")
    return table[pixels]
