"""What a step of training minimises: the losses, with what some of them train beside the encoder."""

from eigenstep.methods._build import (
    SUPERVISED,
    build_objective,
    check_loss,
    default_rate,
    is_centered,
)
from eigenstep.methods._objective import Embeddings, Objective
from eigenstep.methods._options import (
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
from eigenstep.methods._target import TargetNetwork

__all__ = [
    "BYOLConfig",
    "BarlowTwinsConfig",
    "DCLConfig",
    "Embeddings",
    "Objective",
    "SUPERVISED",
    "SimCLRConfig",
    "SimSiamConfig",
    "SpectralContrastiveConfig",
    "SupConConfig",
    "TargetNetwork",
    "VICRegConfig",
    "WMSEConfig",
    "build_objective",
    "check_loss",
    "default_rate",
    "is_centered",
]
