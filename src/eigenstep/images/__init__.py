"""Images to train on: photographs' patches, folders, Parquet files, tar shards, the Hugging Face hub."""

from eigenstep.images._batches import Batch, Images
from eigenstep.images._config import ImagesConfig
from eigenstep.images._identity import image_hashes
from eigenstep.images._images import ImageSet, load_images, photo_patches
from eigenstep.images._in_order import open_in_order
from eigenstep.images._labelled import LabelledImages, load_labelled
from eigenstep.images._open_dataset import find_test_split
from eigenstep.images._open_images import open_images
from eigenstep.images._stored_images import stored_images

__all__ = [
    "Batch",
    "ImageSet",
    "Images",
    "ImagesConfig",
    "LabelledImages",
    "find_test_split",
    "image_hashes",
    "load_images",
    "load_labelled",
    "open_images",
    "open_in_order",
    "photo_patches",
    "stored_images",
]
