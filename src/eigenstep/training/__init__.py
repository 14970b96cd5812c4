"""Training an encoder on unlabelled images, with the spectrum of its embeddings recorded."""

from eigenstep.training._backbones import Encoder, build_encoder
from eigenstep.training._config import (
    BarlowTwinsConfig,
    CheckpointConfig,
    ImagesConfig,
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    SimCLRConfig,
    TrainConfig,
    VICRegConfig,
    dump_config,
    load_config,
)
from eigenstep.training._images import ImageSet, load_images, photo_patches
from eigenstep.training._loop import Progress, train
from eigenstep.training._resolve import resolve
from eigenstep.training._run_folder import foreign_entries, free_folder

__all__ = [
    "BarlowTwinsConfig",
    "CheckpointConfig",
    "Encoder",
    "ImageSet",
    "ImagesConfig",
    "OptimizerConfig",
    "Progress",
    "ProjectorConfig",
    "RecordConfig",
    "SimCLRConfig",
    "TrainConfig",
    "VICRegConfig",
    "build_encoder",
    "dump_config",
    "foreign_entries",
    "free_folder",
    "load_config",
    "load_images",
    "photo_patches",
    "resolve",
    "train",
]
