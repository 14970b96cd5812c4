"""Encoders: backbones by name, projectors, their weights in and out, and features that need no training."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
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
    from eigenstep.encoders._config import (
        EncoderConfig,
        FreezeWhat,
        ProjectorConfig,
        channels_of,
        of_three_channels,
    )
    from eigenstep.encoders._encode import encode, encode_layers
    from eigenstep.encoders._encoder import Encoder, build_encoder, build_projector, fit_weights
    from eigenstep.encoders._freezing import Freeze, freeze
    from eigenstep.encoders._layer_features import POOLED, layer_features, pooling_of
    from eigenstep.encoders._layers import layers_of, stages_of
    from eigenstep.encoders._own_encoder import (
        OwnEncoder,
        as_input,
        own_projector,
        try_encoder,
        try_network,
    )
    from eigenstep.encoders._settled import settle_statistics
    from eigenstep.encoders._small_maps import small_maps_as_products
    from eigenstep.encoders._trained_encoder import (
        TrainedEncoder,
        as_stored,
        initial_encoder,
        load_encoder,
        prepare_images,
    )
    from eigenstep.encoders._two_encoders import TwoEncoders
    from eigenstep.encoders.features import BackboneFeatures, ImageFeatures, PatchFeatures, RandomConvFeatures
    from eigenstep.encoders.weights import Start, other_scale, read_weights
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "POOLED",
    "BackboneFeatures",
    "Checkpoint",
    "Encoder",
    "EncoderConfig",
    "Freeze",
    "FreezeWhat",
    "ImageFeatures",
    "OwnEncoder",
    "PatchFeatures",
    "ProjectorConfig",
    "RandomConvFeatures",
    "Start",
    "TrainedEncoder",
    "TwoEncoders",
    "Weights",
    "all_finite",
    "as_input",
    "as_stored",
    "build_encoder",
    "build_projector",
    "channels_of",
    "convnet",
    "copy_weights",
    "encode",
    "encode_layers",
    "find_best",
    "find_checkpoint",
    "find_checkpoints",
    "fit_weights",
    "freeze",
    "initial_encoder",
    "layer_features",
    "layers_of",
    "load_checkpoint",
    "load_encoder",
    "of_three_channels",
    "other_scale",
    "own_projector",
    "pooling_of",
    "prepare_images",
    "read_weights",
    "save_best",
    "save_checkpoint",
    "settle_statistics",
    "small_maps_as_products",
    "stages_of",
    "take_newest",
    "try_encoder",
    "try_network",
]
