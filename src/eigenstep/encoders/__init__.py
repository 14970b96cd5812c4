"""Encoders: backbones by name, projectors, and their weights in and out."""

from eigenstep.encoders._backbones import convnet
from eigenstep.encoders._checkpoints import (
    Checkpoint,
    Weights,
    all_finite,
    copy_weights,
    find_best,
    find_checkpoint,
    find_checkpoints,
    load_checkpoint,
    save_best,
    save_checkpoint,
    take_newest,
)
from eigenstep.encoders._config import EncoderConfig, ProjectorConfig
from eigenstep.encoders._encoder import Encoder, build_encoder, build_projector, fit_weights, read_weights
from eigenstep.encoders._trained_encoder import (
    TrainedEncoder,
    encode,
    initial_encoder,
    load_encoder,
    prepare_images,
)

__all__ = [
    "Checkpoint",
    "Encoder",
    "EncoderConfig",
    "ProjectorConfig",
    "TrainedEncoder",
    "Weights",
    "all_finite",
    "build_encoder",
    "build_projector",
    "convnet",
    "copy_weights",
    "encode",
    "find_best",
    "find_checkpoint",
    "find_checkpoints",
    "fit_weights",
    "initial_encoder",
    "load_checkpoint",
    "take_newest",
    "load_encoder",
    "prepare_images",
    "read_weights",
    "save_best",
    "save_checkpoint",
]
