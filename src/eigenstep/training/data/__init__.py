"""Images to train on: photographs' patches, folders, Parquet files, tar shards, the Hugging Face hub."""

from eigenstep.training.data._batches import Batch, Images
from eigenstep.training.data._identity import image_hashes
from eigenstep.training.data._images import ImageSet, load_images, photo_patches
from eigenstep.training.data._labelled import LabelledImages, load_labelled
from eigenstep.training.data._open_dataset import find_test_split
from eigenstep.training.data._open_images import open_images

__all__ = [
    "Batch",
    "ImageSet",
    "Images",
    "LabelledImages",
    "find_test_split",
    "image_hashes",
    "load_images",
    "load_labelled",
    "open_images",
    "photo_patches",
]
