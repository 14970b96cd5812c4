"""Images to train on: photographs' patches, folders, Parquet files, tar shards, the Hugging Face hub.

Where they come from is a `Source`; `find_source` chooses it by the name that a user gives.
"""

from eigenstep.images._batches import Batch, Images
from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_image
from eigenstep.images._find_source import find_source, find_test_split, never_has_labels
from eigenstep.images._in_memory import ImageSet, load_images
from eigenstep.images._in_order import open_in_order
from eigenstep.images._labelled import LabelledImages, load_labelled
from eigenstep.images._open_images import load_spread, open_images
from eigenstep.images._photographs import is_photographs, photo_patches
from eigenstep.images._samples import Labels, Sample, read_labels
from eigenstep.images._source import RandomAccess, Shards, Source
from eigenstep.images._stored import fits_memory, image_hashes, stored_images
from eigenstep.images._workers import Workers

__all__ = [
    "Batch",
    "ImageSet",
    "Images",
    "ImagesConfig",
    "LabelledImages",
    "Labels",
    "RandomAccess",
    "Sample",
    "Shards",
    "Source",
    "Workers",
    "decode_image",
    "find_source",
    "find_test_split",
    "fits_memory",
    "image_hashes",
    "is_photographs",
    "load_images",
    "load_labelled",
    "load_spread",
    "never_has_labels",
    "open_images",
    "open_in_order",
    "photo_patches",
    "read_labels",
    "stored_images",
]
