"""Colours of more than 8 bits in formats of which Pillow reads 8, or other values."""

from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

# What begins a JPEG 2000 codestream; behind it stand its size and, 42 bytes on, the bits of a channel.
_CODESTREAM, _BITS = b"\xff\x4f\xff\x51", 42
# The codestream begins within so many bytes, after a profile of colours maybe.
_BEFORE = 1 << 20


def is_deep(image: Image.Image, file: BinaryIO, head: bytes) -> bool:
    """Whether an image that has been opened has several channels of more than 8 bits each.

    Examples
    --------
    >>> import io
    >>> head = b"P6 1 1 65535 "  # 16 bits in each of three channels
    >>> is_deep(Image.open(io.BytesIO(head)), io.BytesIO(head), head)
    True
    """
    if image.format == "PNG":
        return is_deep_png(head)
    if image.format == "PPM":
        return head.startswith(b"P6") and _highest(image) > 255
    if image.format == "JPEG2000" and image.mode not in ("L", "I;16"):
        file.seek(0)
        start = file.read(_BEFORE)
        place = start.find(_CODESTREAM) + _BITS
        return place >= _BITS and (start[place] & 0x7F) + 1 > 8
    return False


def is_deep_png(head: bytes) -> bool:
    """Whether a PNG has 16 bits and more than one channel.

    Examples
    --------
    >>> is_deep_png(b"GIF89a")
    False
    """
    return head[24:25] == b"\x10" and head[25:26] in (b"\x02", b"\x04", b"\x06")


def read_deep(image: Image.Image, file: BinaryIO) -> np.ndarray | None:
    """Its pixels (H, W, C), uint16; None of a PNG where the package for it is missing.

    Raises
    ------
    ValueError
        Where the package for JPEG 2000 is missing, of which Pillow reads wrong values.
    """
    if image.format == "PPM":
        return _read_ppm(image, file)
    try:
        import imagecodecs
    except ImportError as error:
        if image.format == "PNG":
            return None
        raise ValueError(
            "it is a JPEG 2000 image in colours of more than 8 bits, which needs the package imagecodecs;"
            " pip install 'eigenstep[tiff]'"
        ) from error
    file.seek(0)
    content = file.read()
    decoded = imagecodecs.png_decode if image.format == "PNG" else imagecodecs.jpeg2k_decode
    pixels: np.ndarray = decoded(content)
    return pixels


def _read_ppm(image: Image.Image, file: BinaryIO) -> np.ndarray:
    """Up to 65535, as Pillow reads greys of this format."""
    file.seek(_tile(image).offset)
    count = image.width * image.height * 3
    content = file.read(2 * count)
    if len(content) < 2 * count:
        raise ValueError("it ends too early")
    values = np.frombuffer(content, ">u2").reshape(image.height, image.width, 3)
    highest = _highest(image)
    if highest == 65535:
        return values.astype(np.uint16)
    return np.rint(values * (65535 / highest)).clip(0, 65535).astype(np.uint16)


def _highest(image: Image.Image) -> int:
    """The value of white that a PPM states; 255 where it is another one that Pillow does not keep."""
    arguments = _tile(image).args
    return arguments[1] if isinstance(arguments, tuple) and isinstance(arguments[-1], int) else 255


def _tile(image: Image.Image) -> ImageFile._Tile:
    """Where the pixels stand in the file of an image that has been opened, and what its decoder is told."""
    assert isinstance(image, ImageFile.ImageFile)
    return image.tile[0]
