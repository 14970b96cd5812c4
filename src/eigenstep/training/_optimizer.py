"""Optimisers by name, and the learning rate of every step."""

import math
from typing import Any

import numpy as np
import torch
from timm.optim.lars import Lars
from torch import nn

from eigenstep.training.config import OptimizerConfig


def build_optimizer(
    encoder: nn.Module, config: OptimizerConfig, objective: nn.Module | None = None, fixed_rate: bool = False
) -> torch.optim.Optimizer:
    """The optimiser over the parameters of the encoder, and of the objective where it has some.

    Norms and biases are not decayed, nor rescaled by LARS. Groups of parameters that keep the rate that
    the schedule starts from are marked by "fixed_rate".

    Parameters
    ----------
    fixed_rate : bool
        Whether the objective's parameters keep it.
    """
    assert config.lr is not None, "the configuration is resolved first"
    groups = _groups(encoder, config, False) + (_groups(objective, config, fixed_rate) if objective else [])
    groups = [group for group in groups if group["params"]]
    if config.name == "lars":
        return Lars(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            trust_coeff=config.trust_coefficient,
            trust_clip=config.trust_clip,
        )
    # One kernel a group instead of several a parameter.
    fused = all(parameter.device.type in ("cpu", "cuda", "mps") for parameter in encoder.parameters())
    if config.name == "sgd":
        return torch.optim.SGD(
            groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused
        )
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float, initial: float) -> None:
    """Give every group the step's learning rate, or the initial one where it keeps that."""
    for group in optimizer.param_groups:
        group["lr"] = initial if group["fixed_rate"] else rate


def learning_rates(config: OptimizerConfig, steps: int, steps_per_epoch: int | None = None) -> np.ndarray:
    """The learning rate of each step, (steps,): linear warm-up, then constant or half a cosine to zero.

    Examples
    --------
    >>> learning_rates(OptimizerConfig(lr=1.0, warmup_steps=2), 4)
    array([0.5, 1. , 1. , 1. ])
    """
    assert config.lr is not None, "the configuration is resolved first"
    warmup_steps = config.warmup_steps + config.warmup_epochs * (steps_per_epoch or 0)
    step = np.arange(steps)
    warmup = np.minimum((step + 1) / max(warmup_steps, 1), 1.0)
    progress = np.clip((step - warmup_steps) / max(steps - warmup_steps, 1), 0, 1)
    decay = (1 + np.cos(math.pi * progress)) / 2 if config.schedule == "cosine" else 1.0
    return config.lr * warmup * decay


def _groups(module: nn.Module, config: OptimizerConfig, fixed_rate: bool) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {"fixed_rate": fixed_rate}
    weights = {"weight_decay": config.weight_decay} | shared
    if config.name == "lars":
        weights["always_adapt"] = True  # by itself timm's LARS adapts a group's rate only where it decays
    return [
        {"params": [p for p in module.parameters() if p.ndim <= 1], "weight_decay": 0.0} | shared,
        {"params": [p for p in module.parameters() if p.ndim > 1]} | weights,
    ]
