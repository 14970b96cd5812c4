"""What a step of training minimises: the losses, with what some of them train beside the encoder."""

from eigenstep.training.objectives._build import (
    SUPERVISED,
    build_objective,
    check_loss,
    default_rate,
    is_centered,
)
from eigenstep.training.objectives._objective import Embeddings, Objective
from eigenstep.training.objectives._target import TargetNetwork

__all__ = [
    "SUPERVISED",
    "Embeddings",
    "Objective",
    "TargetNetwork",
    "build_objective",
    "check_loss",
    "default_rate",
    "is_centered",
]
