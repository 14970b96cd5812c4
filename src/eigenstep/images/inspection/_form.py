"""In which format a file holds an image, in words, by its header."""

import warnings
from typing import NamedTuple

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import (
    HEAD,
    NPY,
    TIFF,
    ZIP,
    FailedItem,
    PartImage,
    PillowImage,
    Record,
    count_frames,
    count_pages,
    is_deep,
    is_dicom,
    open_picture,
)

# Pillow's modes, as a person calls them.
_MODES = {
    "1": "of 1 bit",
    "L": "grey",
    "LA": "grey with alpha",
    "La": "grey with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "I": "grey, 32 bits",
    "I;16": "grey, 16 bits",
    "I;16B": "grey, 16 bits",
    "I;16L": "grey, 16 bits",
    "I;16N": "grey, 16 bits",
    "F": "grey, float",
}


class Form(NamedTuple):
    """What the header of a file says.

    Attributes
    ----------
    words : str
        The format and what it holds.
    is_transparent : bool
        It has an alpha channel, or a transparent colour.
    is_paged : bool
        The file has several pages, or frames of a scan, and the image is all of them.
    is_animated : bool
        The file has several frames, and the image is the first.
    """

    words: str
    is_transparent: bool = False
    is_paged: bool = False
    is_animated: bool = False


def form_of(record: Record, pixels: np.ndarray, config: ImagesConfig) -> Form:
    """The form of a record whose pixels (H, W, C) have been read, so that it can be.

    Examples
    --------
    >>> form_of(np.zeros((4, 4, 5), np.uint16), np.zeros((4, 4, 5), np.uint16), ImagesConfig()).words
    'pixels 5 × uint16'
    """
    numbers = f"{pixels.shape[2]} × {pixels.dtype}"
    if record is None or isinstance(record, np.ndarray | PillowImage | FailedItem):
        return Form(f"pixels {numbers}")
    is_part = isinstance(record, PartImage)
    with warnings.catch_warnings(), record.open() as file:
        warnings.simplefilter("ignore")
        head = file.read(HEAD)
        file.seek(0)
        if head.startswith(TIFF):
            return Form(f"TIFF {numbers}", is_paged=not is_part and count_pages(file) > 1)
        if head.startswith((NPY, ZIP)):
            return Form(f"{'NPY' if head.startswith(NPY) else 'NPZ'} {numbers}")
        if is_dicom(head):
            return Form(f"DICOM {numbers}", is_paged=not is_part and count_frames(file) > 1)
        image = open_picture(file, head, config)
        mode = _MODES.get(image.mode, image.mode)
        if is_deep(image, file, head):
            mode = f"{mode}, 16 bits"
        elif image.format in ("PNG", "PPM") and image.mode == "I":
            mode = "grey, 16 bits"
        is_transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        is_animated = bool(getattr(image, "is_animated", False))
        return Form(f"{image.format} {mode}", is_transparent, is_animated=is_animated)
