"""The middle square of an image, resized as Pillow does, for any depth and number of channels."""

import numpy as np
from PIL import Image, ImageOps


def middle_square(image: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """The middle square of an image, resized to (C, size, size), in the image's own type.

    Bilinear, and smoothed where it becomes smaller. An array is uint8 or float32 (H, W, C). Channels of 8
    bits are resized in 8 bits, up to four at a time, which gives what one at a time does; those of float32
    by themselves.

    Examples
    --------
    >>> middle_square(np.zeros((8, 12, 3), np.uint8), 4).shape
    (3, 4, 4)
    """
    if isinstance(image, Image.Image):
        fitted = np.asarray(_fit(image, size))
        return fitted[None] if fitted.ndim == 2 else fitted.transpose(2, 0, 1)
    if image.shape[:2] == (size, size):
        return image.transpose(2, 0, 1)
    channels = image.shape[2]
    out = np.empty((channels, size, size), image.dtype)
    first = 0
    while first < channels:
        width = _together(channels - first) if image.dtype == np.uint8 else 1
        part = np.ascontiguousarray(image[..., first : first + width])
        out[first : first + width] = middle_square(_picture(part), size)
        first += width
    return out


def _together(left: int) -> int:
    return 4 if left >= 4 else 3 if left == 3 else 1


def _picture(pixels: np.ndarray) -> Image.Image:
    """As a mode whose bands mean nothing to each other: alpha would be multiplied in."""
    height, width, channels = pixels.shape
    if channels == 1:
        return Image.fromarray(pixels[..., 0])
    mode = {3: "RGB", 4: "RGBX"}[channels]
    return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)


def _fit(image: Image.Image, size: int) -> Image.Image:
    if image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
