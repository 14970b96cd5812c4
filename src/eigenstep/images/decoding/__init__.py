"""One image as its file holds it: records of files, rows and pages, and pixels in their own depth."""

from eigenstep.images.decoding._broken import Broken, broken_image, no_images, reason_of
from eigenstep.images.decoding._contents import images_in
from eigenstep.images.decoding._image_size import check_unpacked
from eigenstep.images.decoding._read_arrays import NPY, ZIP, File, array_shapes, count_images, find_layout
from eigenstep.images.decoding._read_deep import is_deep, is_deep_png
from eigenstep.images.decoding._read_dicom import count_frames, is_dicom
from eigenstep.images.decoding._read_jpeg import read_jpeg
from eigenstep.images.decoding._read_pillow import flat, look_at_picture, open_picture
from eigenstep.images.decoding._read_pixels import HEAD, as_pixels, read_image, read_pixels
from eigenstep.images.decoding._read_tiff import TIFF, count_pages, look_at_tiff
from eigenstep.images.decoding._records import (
    BytesImage,
    FailedItem,
    FileImage,
    MemberImage,
    PartImage,
    PillowImage,
    Record,
)

__all__ = [
    "Broken",
    "BytesImage",
    "FailedItem",
    "File",
    "FileImage",
    "HEAD",
    "MemberImage",
    "NPY",
    "PartImage",
    "PillowImage",
    "Record",
    "TIFF",
    "ZIP",
    "array_shapes",
    "as_pixels",
    "broken_image",
    "check_unpacked",
    "count_images",
    "count_frames",
    "count_pages",
    "find_layout",
    "flat",
    "images_in",
    "is_deep",
    "is_deep_png",
    "is_dicom",
    "look_at_picture",
    "look_at_tiff",
    "no_images",
    "open_picture",
    "read_image",
    "read_jpeg",
    "read_pixels",
    "reason_of",
]
