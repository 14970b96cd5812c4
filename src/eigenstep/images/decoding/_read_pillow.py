"""Pictures of the usual formats, by Pillow."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size
from eigenstep.images.decoding._read_deep import is_deep, read_deep

_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
# Modes that have an alpha channel.
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
# Formats that Pillow runs, or of which it reads other values than they say.
_REFUSED = {
    "EPS": "it is PostScript, which is a program and is not run",
    "FITS": "it is a FITS image, whose signs, scale and planes are not read; write it as TIFF or .npy",
}
# The tag that says how rows and columns lie.
ORIENTATION = 274
# Formats whose numbers of more than 8 bits are 16-bit, whatever mode they are opened in.
_SIXTEEN_BITS = ("PNG", "PPM")


def read_picture(file: BinaryIO, head: bytes, config: ImagesConfig) -> Image.Image | np.ndarray:
    """An upright image of mode 1, L or RGB, or pixels (H, W, C) of more than 8 bits."""
    with without_limit():
        image = open_picture(file, head, config)
        if is_deep(image, file, head):
            deep = read_deep(image, file)
            if deep is not None:
                return turned(_on_white(deep), image.getexif().get(ORIENTATION, 1))
        image.load()
    return upright(image)


def upright(image: Image.Image) -> Image.Image | np.ndarray:
    """A loaded image as its EXIF tag turns it: mode 1, L or RGB, or pixels (H, W, 1) of more than 8 bits."""
    has_sixteen_bits = image.mode == "I" and image.format in _SIXTEEN_BITS
    found = flat(ImageOps.exif_transpose(image))
    return found.astype(np.uint16) if has_sixteen_bits and isinstance(found, np.ndarray) else found


def open_picture(file: BinaryIO, head: bytes, config: ImagesConfig) -> Image.Image:
    """The image, of which only the header has been read.

    Raises
    ------
    ValueError
        If it is too large, of no known format, or of one for which a package is missing.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (6, 4)).save(file, "png")
    >>> image = open_picture(file, file.getvalue()[:160], ImagesConfig())
    >>> image.size, image.mode
    ((6, 4), 'L')
    """
    if head[4:8] == b"ftyp":
        _need_decoder(head[8:12], head[16:64])
    try:
        with without_limit():
            image: Image.Image = Image.open(file)
    except UnidentifiedImageError as error:
        raise ValueError(
            "its content is of no known format of images" if head else "the file is empty"
        ) from error
    if image.format in _REFUSED:
        raise ValueError(_REFUSED[image.format])
    check_size(*image.size, config)
    return image


def look_at_picture(file: BinaryIO, head: bytes, config: ImagesConfig) -> int | None:
    """How many channels an image of 8 bits or fewer has, by its header; None of those of more bits.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (6, 4)).save(file, "png")
    >>> look_at_picture(file, file.getvalue()[:160], ImagesConfig())
    1
    """
    image = open_picture(file, head, config)
    mode = image.mode
    if mode.startswith("I") or mode == "F" or is_deep(image, file, head):
        return None
    return 1 if mode in ("1", "L", "LA", "La") else 3


def flat(image: Image.Image) -> Image.Image | np.ndarray:
    """Without palette, transparency and inks: mode 1, L or RGB, or pixels (H, W, 1) of more than 8 bits.

    Examples
    --------
    >>> flat(Image.new("RGBA", (2, 2))).mode
    'RGB'
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        pixels = np.asarray(image)
        if mode.startswith("I;16"):
            pixels = pixels.astype(np.uint16)  # in this machine's order of bytes
        if isinstance(clear := image.info.get("transparency"), int):
            pixels = np.where(pixels == clear, pixels.dtype.type(65535), pixels)
        return pixels[..., None]
    if mode in _TRANSPARENT or "transparency" in image.info:
        is_grey = mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        laid = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        return laid.getchannel(0) if is_grey else laid
    return image if mode in ("1", "L", "RGB") else image.convert("RGB")


@contextmanager
def without_limit() -> Iterator[None]:
    """Pillow's limit on pixels does not hold meanwhile: `check_size` has another."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        if before is not None:  # else it was taken off from around this, or by another thread
            Image.MAX_IMAGE_PIXELS = before


def on_white(pixels: np.ndarray, alpha: np.ndarray, top: float) -> np.ndarray:
    """Pixels (H, W, C) laid on white by their opacity (H, W), both up to `top`."""
    share = alpha[..., None] / float(top)
    laid = share * pixels + (1 - share) * top
    return (np.rint(laid) if pixels.dtype.kind in "ui" else laid).astype(pixels.dtype)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """As the tag says that rows and columns lie; see TIFF 6.0, page 36."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _on_white(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[2] in (2, 4):
        return on_white(pixels[..., :-1], pixels[..., -1], np.iinfo(pixels.dtype).max)
    return pixels


def _need_decoder(brand: bytes, others: bytes) -> None:
    """Raises ValueError where what decodes such files is missing."""
    if brand in _AVIF or (brand in (b"mif1", b"msf1") and any(each in others for each in _AVIF)):
        if not features.check("avif"):
            raise ValueError("it is an AVIF image, which needs Pillow 11.3 or newer")
    elif brand in _HEIF and not _can_read_heif():
        raise ValueError(
            "it is a HEIF image, which needs the package pillow-heif; pip install 'eigenstep[heif]'"
        )


@cache
def _can_read_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
