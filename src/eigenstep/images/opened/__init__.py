"""Data sets opened for training, for probes or to be read in their order: in memory, or decoded meanwhile."""

from eigenstep.images.opened._batches import Batch, Images
from eigenstep.images.opened._in_memory import ImageSet, load_images
from eigenstep.images.opened._in_order import open_in_order
from eigenstep.images.opened._labelled import LabelledImages, load_labelled
from eigenstep.images.opened._open_images import is_kept_whole, load_spread, open_images
from eigenstep.images.opened._streamed import decoding_processes
from eigenstep.images.opened._workers import LostProcess, Workers

__all__ = [
    "Batch",
    "ImageSet",
    "Images",
    "LabelledImages",
    "LostProcess",
    "Workers",
    "decoding_processes",
    "is_kept_whole",
    "load_images",
    "load_labelled",
    "load_spread",
    "open_images",
    "open_in_order",
]
