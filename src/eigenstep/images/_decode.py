"""One encoded image, of whatever kind, as upright RGB."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from eigenstep.images._records import Record


def decode_square(record: Record, size: int) -> tuple[np.ndarray, bool]:
    """The middle square of an image, resized: uint8 (3, size, size), and whether it had to be enlarged.

    Raises whatever the image's decoder raises, which may be any exception.
    """
    image = decode(record)
    enlarged = min(image.size) < size
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1), enlarged


def decode(record: Record) -> Image.Image:
    """An RGB image from encoded bytes or a path; upright by its EXIF tag.

    Transparency is laid on white, 16-bit grey is scaled to 8 bits, CMYK and palettes are converted.
    """
    if record is None or not (record["bytes"] or record["path"]):
        raise ValueError("there is no image in this row")
    content = record["bytes"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not matter, a broken image is named elsewhere
        image: Image.Image = Image.open(io.BytesIO(content) if content else record["path"])
        image.load()
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    """16-bit levels to 8 bits; floating-point images are taken to lie in [0, 1]."""
    top = 1.0 if pixels.dtype.kind == "f" and pixels.max(initial=0) <= 1 else 65535.0
    return np.round(np.clip(pixels / top, 0, 1) * 255).astype(np.uint8)
