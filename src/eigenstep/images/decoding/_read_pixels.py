"""The pixels of a record, in its file's own depth and channels; the content says what format it is."""

import warnings

import numpy as np
from PIL import Image

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size
from eigenstep.images.decoding._png import check_png
from eigenstep.images.decoding._read_arrays import NPY, ZIP, hwc, read_array
from eigenstep.images.decoding._read_dicom import is_dicom, read_dicom
from eigenstep.images.decoding._read_jpeg import JPEG, read_jpeg
from eigenstep.images.decoding._read_pillow import read_picture, upright
from eigenstep.images.decoding._read_tiff import TIFF, read_page, read_tiff
from eigenstep.images.decoding._records import FailedItem, PartImage, PillowImage, Record

# As many bytes of a file tell what it is.
HEAD = 160


def read_pixels(record: Record, config: ImagesConfig) -> np.ndarray:
    """The pixels (H, W, C) of one image, in the file's own type of numbers; upright.

    Greys have one channel, palettes and CMYK become colours, transparency is laid on white. Of 1-bit images
    they are bool. Pages of a file are channels unless `config.pages` says that they are images.

    Raises
    ------
    ValueError
        If there are more of them than `config.most_pixels`, or a package is missing; and whatever the image's
        decoder raises, which may be any exception.

    Examples
    --------
    >>> read_pixels(np.zeros((4, 6), np.uint16), ImagesConfig()).shape
    (4, 6, 1)
    """
    return as_pixels(read_image(record, config))


def read_image(
    record: Record, config: ImagesConfig, *, colours_as_array: bool = False
) -> Image.Image | np.ndarray:
    """The same; what Pillow reads is its image of mode 1, L or RGB, so that nothing is copied.

    Pillow makes other greys of colours than `with_channels` does, by a level: JPEGs are its images too,
    unless `colours_as_array` saves the copy.

    Examples
    --------
    >>> image = read_image(PillowImage(Image.new("RGB", (6, 4))), ImagesConfig())
    >>> type(image).__name__, image.size, read_image(np.zeros((4, 6)), ImagesConfig()).shape
    ('Image', (6, 4), (4, 6, 1))
    """
    if record is None:
        raise ValueError("there is no image in this row")
    if isinstance(record, np.ndarray):
        pixels = hwc(record, config)
        check_size(pixels.shape[1], pixels.shape[0], config)
        return pixels
    if isinstance(record, PillowImage):
        check_size(*record.image.size, config)
        return upright(record.image)
    with warnings.catch_warnings(), record.open() as file:
        warnings.simplefilter("ignore")  # odd metadata does not matter, a broken image is named elsewhere
        head = file.read(HEAD)
        file.seek(0)
        if head.startswith(JPEG):
            colours = read_jpeg(file.read(), config)
            if colours is not None:
                return colours if colours_as_array else Image.fromarray(colours)
            file.seek(0)
        part = record if isinstance(record, PartImage) else None
        if head.startswith(TIFF):
            return read_tiff(file, config) if part is None else read_page(part, config)
        if head.startswith((NPY, ZIP)) and not isinstance(record, FailedItem):
            return read_array(record, config)
        if is_dicom(head):
            return read_dicom(file, config, None if part is None else part.index)
        check_png(file)
        return read_picture(file, head, config)


def as_pixels(image: Image.Image | np.ndarray) -> np.ndarray:
    """(H, W, C).

    Examples
    --------
    >>> as_pixels(np.zeros((4, 4), np.uint8)).shape
    (4, 4, 1)
    """
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels
