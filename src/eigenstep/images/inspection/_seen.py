"""What is to be known of one image that has been decoded, before any training."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import as_pixels, read_image, reason_of
from eigenstep.images.inspection._form import Form, form_of
from eigenstep.images.sources import RandomAccess, Sample
from eigenstep.images.stored import middle_square, range_of, taken, with_channels

# Every 16th pixel of every 16th line tells mostly that an image is not grey.
_SPARSE = 16


class Seen(NamedTuple):
    """One image.

    Attributes
    ----------
    row : int
        Its place in the split.
    name : str
        What it is called.
    reason : str | None
        Why it cannot be used; nothing else is known then.
    form : str
        The format in words.
    width, height, channels : int
        As in the file, upright.
    dtype : str
        The type of its values.
    low, high : float
        The lowest and the highest finite value of the channels that are used; NaN where there is none.
    digest : int
        Of 64 bits: of shape, type and pixels.
    has_gaps, is_constant, is_grey_in_colours, is_transparent, is_paged, is_animated : bool
        Some values are no finite numbers; every channel has one value; three channels are equal; it has
        transparency, or its file several pages, or several frames of an animation.
    tile : np.ndarray | None
        The middle square (T, T, C), if it was asked for.
    """

    row: int
    name: str
    reason: str | None = None
    form: str = ""
    width: int = 0
    height: int = 0
    channels: int = 0
    dtype: str = ""
    low: float = math.nan
    high: float = math.nan
    digest: int = 0
    has_gaps: bool = False
    is_constant: bool = False
    is_grey_in_colours: bool = False
    is_transparent: bool = False
    is_paged: bool = False
    is_animated: bool = False
    tile: np.ndarray | None = None


@dataclass(frozen=True)
class Look:
    """Looks at images, as the work of a process: a task is rows, or samples with their rows.

    Attributes
    ----------
    config : ImagesConfig
        How they are read.
    pixels : Pixels | None
        What they are to consist of: what does not fit is broken, as in training. None: anything.
    source : RandomAccess | None
        Where rows are.
    tiles : frozenset[int]
        The rows of which a small picture is wanted.
    tile : int
        Its size.
    """

    config: ImagesConfig
    pixels: Pixels | None
    source: RandomAccess | None = None
    tiles: frozenset[int] = frozenset()
    tile: int = 0

    def __call__(self, task: Sequence[int | tuple[int, Sample]]) -> list[Seen]:
        return [self._look(*self._sample(each)) for each in task]

    def _sample(self, each: int | tuple[int, Sample]) -> tuple[int, Sample]:
        if isinstance(each, tuple):
            return each
        assert self.source is not None
        return each, self.source.sample(each)

    def _look(self, row: int, sample: Sample) -> Seen:
        try:
            image = read_image(sample.record, self.config)
            pixels = as_pixels(image)
            used = taken(pixels, self.config)
            self._check(used)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            return Seen(row, sample.name, reason_of(error))
        try:
            form = form_of(sample.record, pixels, self.config)
        except Exception:  # it can be read, and that is what matters
            form = Form("of another format")
        low, high, has_gaps, is_constant = _values(image if used is pixels else used)
        return Seen(
            row,
            sample.name,
            form=form.words,
            width=pixels.shape[1],
            height=pixels.shape[0],
            channels=pixels.shape[2],
            dtype=pixels.dtype.name,
            low=low,
            high=high,
            digest=_digest(pixels),
            has_gaps=has_gaps,
            is_constant=is_constant,
            is_grey_in_colours=not is_constant and _is_grey_in_colours(pixels),
            is_transparent=form.is_transparent,
            is_paged=form.is_paged,
            is_animated=form.is_animated,
            tile=_tile(used, self.tile, self.config) if row in self.tiles else None,
        )

    def _check(self, used: np.ndarray) -> None:
        """Raises what storing the image would raise."""
        if self.pixels is not None:
            with_channels(used[:1, :1], self.pixels.channels)
            range_of(used.dtype, self.config, self.pixels)


def _values(image: Image.Image | np.ndarray) -> tuple[float, float, bool, bool]:
    """The lowest and the highest finite value, whether others are there, and whether each channel has one."""
    if isinstance(image, Image.Image):
        found: list[list[float]] = np.reshape(image.getextrema(), (-1, 2)).tolist()
        top = 255 if image.mode == "1" else 1
        lows, highs = ([pair[side] / top for pair in found] for side in (0, 1))
        return min(lows), max(highs), False, lows == highs
    if image.dtype.kind == "f" and not (finite := np.isfinite(image)).all():
        values = image[finite]
        if not values.size:
            return math.nan, math.nan, True, True
        return float(values.min()), float(values.max()), True, False
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    return float(low.min()), float(high.max()), False, bool((low == high).all())


def _is_grey_in_colours(pixels: np.ndarray) -> bool:
    def equal(part: np.ndarray) -> bool:
        return bool((part[..., 0] == part[..., 1]).all() and (part[..., 0] == part[..., 2]).all())

    return pixels.shape[2] == 3 and equal(pixels[::_SPARSE, ::_SPARSE]) and equal(pixels)


def _digest(pixels: np.ndarray) -> int:
    shape = f"{pixels.dtype.name} {pixels.shape}".encode()
    content = hashlib.blake2b(shape, digest_size=8)
    content.update(np.ascontiguousarray(pixels).data)
    return int.from_bytes(content.digest(), "little")


def _tile(used: np.ndarray, size: int, config: ImagesConfig) -> np.ndarray:
    """The middle square (T, T, C), uint8 where nothing is to be stretched, else float32."""
    if used.dtype == np.bool_:
        used = used.astype(np.uint8) * np.uint8(255)
    elif used.dtype != np.uint8 or config.range is not None:
        used = used.astype(np.float32)
    return middle_square(used, size).transpose(1, 2, 0)
