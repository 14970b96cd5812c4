"""One encoded image, of whatever kind, as upright RGB."""

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def decode(record: dict[str, Any] | None) -> Image.Image:
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
