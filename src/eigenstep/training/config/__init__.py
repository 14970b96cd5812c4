"""The configuration of a run: a tree of dataclasses, and its form as YAML."""

from eigenstep.encoders import ProjectorConfig
from eigenstep.images import ImagesConfig
from eigenstep.methods import (
    BarlowTwinsConfig,
    BYOLConfig,
    DCLConfig,
    SimCLRConfig,
    SimSiamConfig,
    SpectralContrastiveConfig,
    SupConConfig,
    VICRegConfig,
    WMSEConfig,
)
from eigenstep.optim import EmbeddingPreconditionerConfig, OptimizerConfig
from eigenstep.training.config._train import (
    CheckpointConfig,
    LoggerConfig,
    Precision,
    ProbesConfig,
    RecordConfig,
    TrainConfig,
)
from eigenstep.training.config._yaml import dump_config, load_config

__all__ = [
    "BYOLConfig",
    "BarlowTwinsConfig",
    "CheckpointConfig",
    "DCLConfig",
    "EmbeddingPreconditionerConfig",
    "ImagesConfig",
    "LoggerConfig",
    "OptimizerConfig",
    "Precision",
    "ProbesConfig",
    "ProjectorConfig",
    "RecordConfig",
    "SimCLRConfig",
    "SimSiamConfig",
    "SpectralContrastiveConfig",
    "SupConConfig",
    "TrainConfig",
    "VICRegConfig",
    "WMSEConfig",
    "dump_config",
    "load_config",
]
