"""TIFF images of any depth, bands and pages, by tifffile; those of 8 bits that Pillow reads, by Pillow."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size
from eigenstep.images.decoding._read_pillow import (
    ORIENTATION,
    on_white,
    open_picture,
    turned,
    upright,
    without_limit,
)
from eigenstep.images.decoding._records import BytesImage, FileImage, MemberImage, PartImage, state_of

TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
# Which photometric interpretations Pillow reads, with how many samples beside alpha.
_PILLOW = {_MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3, _PALETTE: 1, _SEPARATED: 4, _YCBCR: 3}
_ALPHA = (1, 2)
_NODATA = "GDAL_NODATA"
# What is not a page of its own where pages are images.
_OF_ONE_IMAGE = "YXSC"


def read_tiff(file: BinaryIO, config: ImagesConfig) -> Image.Image | np.ndarray:
    """An upright image, by Pillow where it has 8 bits or fewer, else pixels (H, W, C).

    Axes other than height and width become channels, samples last; of OME and ImageJ files these are the
    axes that the file describes.

    Raises
    ------
    ValueError
        If it has pages of different sizes, or a package is missing for its compression.
    """
    with _opened(file) as tif:
        several = _alike(tif)
        check_size(several[0].keyframe.imagewidth, several[0].keyframe.imagelength, config)
        if _is_pillows(several):
            return _by_pillow(file, config)
        return _decoded(file, config, several, None)


def read_page(part: PartImage, config: ImagesConfig) -> Image.Image | np.ndarray:
    """One page as an image, whose channels are only those that axes C and S say.

    The file is kept for its next page. Raises what `read_tiff` raises.
    """
    kept = _kept(part.file, *state_of(part.file), os.getpid())
    if part.index >= len(kept.pages):
        raise ValueError("it has fewer pages than when it was listed")
    series, page = kept.pages[part.index]
    check_size(series.keyframe.imagewidth, series.keyframe.imagelength, config)
    with _silent():
        return _decoded(kept.file, config, [series], page)


def count_pages(file: BinaryIO) -> int:
    """How many images the pages are, where they are images.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> grey = [Image.new("L", (8, 8)) for _ in range(5)]
    >>> grey[0].save(file, "tiff", save_all=True, append_images=grey[1:])
    >>> _ = file.seek(0)
    >>> count_pages(file)
    5
    """
    with _opened(file) as tif:
        return sum(_pages_of(series) for series in _whole(tif))


def look_at_tiff(file: BinaryIO, config: ImagesConfig) -> int | None:
    """How many channels a file has that Pillow reads at 8 bits or fewer, by its header; None of others.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (6, 4)).save(file, "tiff")
    >>> _ = file.seek(0)
    >>> look_at_tiff(file, ImagesConfig())
    3
    """
    with _opened(file) as tif:
        series = _alike(tif)
        key = series[0].keyframe
        check_size(key.imagewidth, key.imagelength, config)
        if not _is_pillows(series):
            return None
        return 1 if int(key.photometric) in (_MIN_IS_WHITE, _MIN_IS_BLACK) else 3


def _decoded(
    file: BinaryIO, config: ImagesConfig, several: list[Any], page: int | None
) -> Image.Image | np.ndarray:
    key = several[0].keyframe
    try:
        pixels = np.concatenate([_read(each, page) for each in several], axis=2)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        return _without_codec(file, config, several[0], error)
    return turned(_meant(pixels, key), _orientation(key))


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    """A tifffile.TiffFile."""
    import tifffile

    with _silent(), tifffile.TiffFile(file) as tif:
        if not len(tif.pages):
            raise ValueError("it is a TIFF file without a page")
        yield tif


@contextmanager
def _silent() -> Iterator[None]:
    """The library logs nothing meanwhile: what is broken is told elsewhere."""
    logger = logging.getLogger("tifffile")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


class _Kept:
    """A file whose pages are images, of which each is a page of a series; open as long as it is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        with _opened(self.file) as tif:
            self.pages = [(series, page) for series in _whole(tif) for page in range(_pages_of(series))]

    def __del__(self) -> None:
        self.file.close()


@lru_cache(maxsize=2)
def _kept(file: FileImage | MemberImage | BytesImage, modified: int, size: int, process: int) -> _Kept:
    """By when it was written; processes that were forked from each other would share its position."""
    return _Kept(PartImage(file).open())


def _whole(tif: Any) -> list[Any]:
    """The series of pages that are no previews of others and no masks."""
    keys = [(series, series.keyframe) for series in tif.series]
    return [series for series, key in keys if not (key.is_reduced or key.is_mask)] or [tif.series[0]]


def _alike(tif: Any) -> list[Any]:
    """All series, whose pages are channels of one image; raises ValueError if they cannot be."""
    found = _whole(tif)
    if len({series.keyframe.shape for series in found}) > 1:
        raise ValueError(f"it has {len(found)} pages of different sizes or depths; use --images.pages images")
    if len(found) > 1 and len({(series.shape, series.axes) for series in found}) > 1:
        raise ValueError("its pages are of different kinds; use --images.pages images")
    return found


def _pages_of(series: Any) -> int:
    return int(
        np.prod([n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in _OF_ONE_IMAGE])
    )


def _read(series: Any, page: int | None) -> np.ndarray:
    """(H, W, C), with the samples last; of a page that is an image no other one is read."""
    if page is not None and "C" not in series.axes and len(series.pages) == _pages_of(series):
        series, page = series.pages[page], None
    pixels, axes = series.asarray(), series.axes
    others = [axis for axis in axes if axis not in "YXS"]
    channels = [place for place, axis in enumerate(axes) if axis not in "YXS"]
    samples = [axes.index("S")] if "S" in axes else []
    if page is not None:
        paged = [place for place, axis in zip(channels, others, strict=True) if axis != "C"]
        rest = [place for place in channels if place not in paged]
        order = [*paged, axes.index("Y"), axes.index("X"), *rest, *samples]
        pixels = pixels.transpose(order)
        height, width = pixels.shape[len(paged) : len(paged) + 2]
        return pixels.reshape(-1, height, width, int(np.prod(pixels.shape[len(paged) + 2 :])))[page]
    pixels = pixels.transpose([axes.index("Y"), axes.index("X"), *channels, *samples])
    return pixels.reshape(*pixels.shape[:2], -1)


def _is_pillows(several: list[Any]) -> bool:
    """Whether it is one page of 8 bits or fewer that Pillow knows, alpha aside."""
    series, key = several[0], several[0].keyframe
    if key.bitspersample not in (1, 2, 4, 8) or int(key.sampleformat) != 1:
        return False
    if len(several) > 1 or len(series.pages) > 1 or key.index:
        return False
    extra = [int(each) for each in key.extrasamples]
    if any(each not in _ALPHA for each in extra) or len(extra) > 1:
        return False
    return bool(_PILLOW.get(int(key.photometric)) == key.samplesperpixel - len(extra)) and key.imagedepth == 1


def _by_pillow(file: BinaryIO, config: ImagesConfig) -> Image.Image | np.ndarray:
    file.seek(0)
    with without_limit():
        image = open_picture(file, TIFF[0], config)
        image.load()
    return upright(image)


def _without_codec(
    file: BinaryIO, config: ImagesConfig, series: Any, error: ValueError
) -> Image.Image | np.ndarray:
    """By Pillow where that knows the compression and the layout: a first page of one sample."""
    try:
        key = series.keyframe
        if len(series.pages) > 1 or key.samplesperpixel > 1 or key.index:
            raise error
        return _by_pillow(file, config)
    except Exception:
        compression = series.keyframe.compression
        name = getattr(compression, "name", compression)
        raise ValueError(
            f"its compression {name} needs the package imagecodecs; pip install 'eigenstep[tiff]'"
        ) from error


def _meant(pixels: np.ndarray, key: Any) -> np.ndarray:
    """What stored values mean: inverted where the lowest is white, palettes and inks as colours, no alpha.

    Values that the file declares as none are NaN, for which signed whole numbers become floating-point ones.
    """
    photometric, extra = int(key.photometric), [int(each) for each in key.extrasamples]
    if pixels.dtype.kind not in "buif":
        raise ValueError(f"its values are {pixels.dtype}: expected real numbers")
    if _NODATA in key.tags and pixels.dtype.kind in "if":
        wide = np.float64 if pixels.dtype.itemsize > 2 else np.float32
        missing = pixels == key.nodata
        pixels = pixels.astype(pixels.dtype if pixels.dtype.kind == "f" else wide)
        pixels[missing] = np.nan
    if photometric == _MIN_IS_WHITE:
        if pixels.dtype.kind == "b":
            pixels = ~pixels
        elif pixels.dtype.kind == "u":
            top = 2 ** int(key.bitspersample) - 1
            pixels = (top - pixels).astype(pixels.dtype)
        else:
            raise ValueError(f"its lowest value is white, and nothing says the range of its {pixels.dtype}")
    if photometric == _PALETTE and key.colormap is not None and pixels.dtype.kind == "u":
        pixels = key.colormap[:, pixels[..., 0]].transpose(1, 2, 0)
    if photometric == _SEPARATED and pixels.shape[2] == 4 and not extra and pixels.dtype.kind in "uf":
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1.0
        left = top - pixels.astype(np.float64)  # of the light, by each ink
        light = left[..., :3] * left[..., 3:] / top
        pixels = (np.rint(light) if pixels.dtype.kind == "u" else light).astype(pixels.dtype)
    own = _PILLOW.get(photometric, 0)
    if len(extra) == 1 and extra[0] in _ALPHA and own in (1, 3) and pixels.shape[2] == own + 1:
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
        colours, alpha = pixels[..., :own], pixels[..., own]
        if extra[0] == 1:  # it is multiplied already
            laid = colours + (top - alpha.astype(np.float64))[..., None]
            return np.clip(laid, None, top).astype(pixels.dtype)
        return on_white(colours, alpha, top)
    return pixels


def _orientation(key: Any) -> int:
    tag = key.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1
