"""Colour JPEGs by libjpeg-turbo, several times sooner than by Pillow, to the same pixels."""

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size

JPEG = b"\xff\xd8\xff"
_EXIF = b"Exif\0\0"


def read_jpeg(content: bytes, config: ImagesConfig) -> np.ndarray | None:
    """The pixels (H, W, 3) of an upright colour JPEG without damage; None of others, which are Pillow's.

    None too without the package simplejpeg. Its decoder is as strict as it can be: whatever libjpeg warns of
    is left for Pillow to take or to refuse.

    Raises
    ------
    ValueError
        If it has more pixels than `config.most_pixels`.

    Examples
    --------
    >>> read_jpeg(b"no image", ImagesConfig()) is None
    True
    """
    if _EXIF in content:  # which may say that it lies on its side
        return None
    try:
        import simplejpeg

        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except (ImportError, ValueError):
        return None
    if colours != "YCbCr":
        return None
    check_size(width, height, config)
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(content, "RGB")
    except ValueError:
        return None
    return pixels
