"""The configuration of a run: a tree of dataclasses, and its form as YAML."""

from eigenstep.training.config._methods import (
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
from eigenstep.training.config._train import (
    CheckpointConfig,
    ImagesConfig,
    LoggerConfig,
    OptimizerConfig,
    Precision,
    ProbesConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
)
from eigenstep.training.config._yaml import differences, dump_config, load_config, nearest

__all__ = [
    "BYOLConfig",
    "BarlowTwinsConfig",
    "CheckpointConfig",
    "DCLConfig",
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
    "differences",
    "dump_config",
    "load_config",
    "nearest",
]
