"""Losses by name, built from their node of the configuration tree."""

import dataclasses
from collections.abc import Callable
from typing import Any

from eigenstep.losses import BarlowTwinsLoss, NTXentLoss, VICRegLoss
from eigenstep.training._config import TrainConfig, nearest

# Name in the configuration: the loss, and its learning rate for SGD at small initialisation (found on
# photographs' patches with the small convnet).
_LOSSES: dict[str, tuple[Callable[..., Any], float]] = {
    "barlow_twins": (BarlowTwinsLoss, 0.005),
    "simclr": (NTXentLoss, 0.05),
    "vicreg": (VICRegLoss, 0.002),
}
_OPTIMIZER_RATES = {"adamw": 1e-3, "lars": 1.0}


def build_loss(config: TrainConfig) -> Any:
    """The loss that `config.loss` names. Raises ValueError for an unknown name, naming the nearest."""
    check_loss(config.loss)
    kind, _ = _LOSSES[config.loss]
    return kind(**dataclasses.asdict(getattr(config, config.loss)))


def default_rate(config: TrainConfig) -> float:
    """The learning rate that is used where the configuration gives none."""
    check_loss(config.loss)
    return _OPTIMIZER_RATES.get(config.optimizer.name, _LOSSES[config.loss][1])


def is_centered(config: TrainConfig) -> bool:
    """Whether the loss sees embeddings from which the batch mean is subtracted (or nothing of the mean)."""
    return (
        config.loss != "barlow_twins"
        or config.barlow_twins.center
        or config.barlow_twins.normalize == "batch"
    )


def check_loss(name: str) -> None:
    if name not in _LOSSES:
        raise ValueError(f"unknown loss {name!r}: expected {', '.join(_LOSSES)}." + nearest(name, _LOSSES))
