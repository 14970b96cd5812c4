"""Optimisers by name, and the learning rate of every step."""

import math
from typing import Any

import numpy as np
import torch
from timm.optim import Lars
from torch import nn

from eigenstep.training._config import OptimizerConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimiser over the model's parameters; norms and biases are not decayed, nor rescaled by LARS."""
    assert config.lr is not None, "the configuration is resolved first"
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": others, "weight_decay": 0.0},
        {"params": weights, "weight_decay": config.weight_decay},
    ]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    groups[1]["always_adapt"] = True  # by itself timm's LARS adapts a group's rate only where it decays
    return Lars(groups, lr=config.lr, momentum=config.momentum)


def learning_rates(config: OptimizerConfig, steps: int) -> np.ndarray:
    """The learning rate of each step, (steps,): linear warm-up, then constant or half a cosine to zero.

    >>> learning_rates(OptimizerConfig(lr=1.0, warmup_steps=2), 4)
    array([0.5, 1. , 1. , 1. ])
    """
    assert config.lr is not None, "the configuration is resolved first"
    step = np.arange(steps)
    warmup = np.minimum((step + 1) / max(config.warmup_steps, 1), 1.0)
    progress = np.clip((step - config.warmup_steps) / max(steps - config.warmup_steps, 1), 0, 1)
    decay = (1 + np.cos(math.pi * progress)) / 2 if config.schedule == "cosine" else 1.0
    return config.lr * warmup * decay
