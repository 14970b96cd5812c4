"""The probe batch's thumbnails as one image, so that a page of hundreds of pictures has one of them."""

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

SMALLEST, LARGEST = 16, 48


def sprite_sheet(images: np.ndarray) -> dict[str, Any]:
    """Lay thumbnails out on a grid and encode them as a JPEG data URL.

    The side of a tile is a multiple of 8, the size of JPEG's blocks, and colour is not subsampled, so no
    thumbnail bleeds into its neighbours.

    Parameters
    ----------
    images : np.ndarray
        uint8 (n, height, width, 3).

    Returns
    -------
    dict[str, Any]
        `url`, `columns`, `tile` (pixels) and `colours`, the mean colour of each image as "#rrggbb".

    Examples
    --------
    >>> sheet = sprite_sheet(np.full((5, 20, 20, 3), 255, np.uint8))
    >>> sheet["columns"], sheet["tile"], sheet["colours"][0]
    (3, 24, '#ffffff')
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"expected thumbnails uint8 (n, height, width, 3), got {images.dtype} {images.shape}"
        )
    count, height, width, _ = images.shape
    tile = min(max(8 * math.ceil(max(height, width) / 8), SMALLEST), LARGEST)
    columns = math.ceil(math.sqrt(count))
    sheet = Image.new("RGB", (columns * tile, math.ceil(count / columns) * tile))
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        sheet.paste(
            Image.fromarray(image).resize((tile, tile), Image.Resampling.LANCZOS), (column * tile, row * tile)
        )
    encoded = io.BytesIO()
    # Not optimize: Pillow then needs room for the whole file at once, which pictures of noise outgrow.
    sheet.save(encoded, "JPEG", quality=88, subsampling=0)
    means = images.reshape(count, -1, 3).mean(axis=1).round().astype(int)
    return {
        "url": "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode(),
        "columns": columns,
        "tile": tile,
        "colours": [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in means],
    }
