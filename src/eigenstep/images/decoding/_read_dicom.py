"""DICOM images, by pydicom where it is installed."""

from typing import Any, BinaryIO

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size


def is_dicom(head: bytes) -> bool:
    """Whether a file is DICOM, by its first 132 bytes.

    Examples
    --------
    >>> is_dicom(b"GIF89a")
    False
    """
    return head[128:132] == b"DICM"


def read_dicom(file: BinaryIO, config: ImagesConfig, frame: int | None = None) -> np.ndarray:
    """Pixels (H, W, C): of one frame, or of all as channels.

    Greys are what slope and intercept make of the stored values, whole numbers where these are whole;
    MONOCHROME1, whose lowest value is white, is inverted first. Palettes become colours.

    Raises
    ------
    ValueError
        If pydicom is not installed.
    """
    pydicom = _pydicom()
    dataset = pydicom.dcmread(file)
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise ValueError("it is a DICOM file without an image")
    check_size(int(dataset.Columns), int(dataset.Rows), config)
    is_colour = int(dataset.get("SamplesPerPixel", 1)) > 1
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    only = {"index": frame} if frame is not None and frames > 1 else {}
    pixels = pydicom.pixels.pixel_array(dataset, **only)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = pydicom.pixels.apply_color_lut(pixels, dataset)
        is_colour = True
    elif not is_colour:
        pixels = _rescaled(pixels, dataset)
    if pixels.ndim == (4 if is_colour else 3):  # frames come first
        pixels = np.moveaxis(pixels, 0, 2).reshape(*pixels.shape[1:3], -1)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def count_frames(file: BinaryIO) -> int:
    """How many there are, by the header; 1 where pydicom is missing, which is told when it is decoded.

    Examples
    --------
    >>> from pydicom import examples
    >>> with open(examples.get_path("ybr_color"), "rb") as file:
    ...     count_frames(file)
    30
    """
    try:
        pydicom = _pydicom()
    except ValueError:
        return 1
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    return int(dataset.get("NumberOfFrames", 1) or 1)


def _rescaled(pixels: np.ndarray, dataset: Any) -> np.ndarray:
    if dataset.PhotometricInterpretation == "MONOCHROME1" and pixels.dtype.kind in "ui":
        bits, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
        # The lowest and the highest value together: 0 and 2^bits - 1, or -2^(bits - 1) and 2^(bits - 1) - 1.
        pixels = ((-1 if signed else 2**bits - 1) - pixels.astype(np.int64)).astype(pixels.dtype)
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    if (slope, intercept) == (1, 0):
        return pixels
    if slope.is_integer() and intercept.is_integer() and pixels.dtype.kind in "ui":
        return (pixels.astype(np.int64) * int(slope) + int(intercept)).astype(np.int32)
    return (pixels.astype(np.float64) * slope + intercept).astype(np.float32)


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise ValueError(
            "it is a DICOM image, which needs the package pydicom; pip install 'eigenstep[dicom]'"
        ) from error
    return pydicom
