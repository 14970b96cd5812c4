"""Objectives by name, built from their node of the configuration tree."""

import dataclasses
from collections.abc import Callable
from typing import Any

from eigenstep.losses import (
    BarlowTwinsLoss,
    DCLLoss,
    NTXentLoss,
    SpectralContrastiveLoss,
    SupConLoss,
    VICRegLoss,
    WMSELoss,
)
from eigenstep.methods._objective import Objective, TwoViewObjective
from eigenstep.methods._predictive import BYOL, SimSiam
from eigenstep.methods._supervised import CrossEntropy, SupervisedContrastive
from eigenstep.spelling import nearest

_TWO_VIEW_LOSSES: dict[str, Callable[..., Any]] = {
    "barlow_twins": BarlowTwinsLoss,
    "simclr": NTXentLoss,
    "vicreg": VICRegLoss,
    "spectral_contrastive": SpectralContrastiveLoss,
    "w_mse": WMSELoss,
    "dcl": DCLLoss,
}
SUPERVISED = ("supcon", "cross_entropy")
_NAMES = (*_TWO_VIEW_LOSSES, "simsiam", "byol", *SUPERVISED)

# Learning rates for SGD at small initialisation (found on photographs' patches with the small convnet).
_RATES = {"barlow_twins": 0.005, "vicreg": 0.002, "spectral_contrastive": 0.005}
_USUAL_RATE = 0.05
_OPTIMIZER_RATES = {"adamw": 1e-3, "lars": 1.0}


def build_objective(config: Any, classes: int | None = None) -> Objective:
    """The objective that `config.loss` names; of several processes it sees the joint batch.

    Parameters
    ----------
    classes : how many the data set has, for objectives that need labels

    Raises ValueError for an unknown name, naming the nearest, and for values that the loss refuses.
    """
    check_loss(config.loss)
    if kind := _TWO_VIEW_LOSSES.get(config.loss):
        options = dataclasses.asdict(getattr(config, config.loss))
        return TwoViewObjective(kind(gather_distributed=True, **options))
    dim = config.projector.dim
    if config.loss == "simsiam":
        return SimSiam(dim, **dataclasses.asdict(config.simsiam))
    if config.loss == "byol":
        return BYOL(dim, config.byol.predictor_hidden)
    if config.loss == "supcon":
        options = dataclasses.asdict(config.supcon)
        return SupervisedContrastive(SupConLoss(gather_distributed=True, **options))
    return CrossEntropy(dim, classes or 1)


def default_rate(config: Any) -> float:
    """The learning rate that is used where the configuration gives none."""
    check_loss(config.loss)
    return _OPTIMIZER_RATES.get(config.optimizer.name, _RATES.get(config.loss, _USUAL_RATE))


def is_centered(config: Any) -> bool:
    """Whether the spectrum of C is recorded of embeddings from which the batch mean is subtracted.

    It is not where the loss itself works on the uncentred second moment.
    """
    if config.loss == "barlow_twins":
        return config.barlow_twins.center or config.barlow_twins.normalize == "batch"
    return config.loss != "spectral_contrastive"


def check_loss(name: str) -> None:
    """Raise a ValueError that names the nearest loss unless there is one of this name."""
    if name not in _NAMES:
        raise ValueError(f"unknown loss {name!r}: expected {', '.join(_NAMES)}." + nearest(name, _NAMES))
