"""The learning rate of every step."""

import math

import numpy as np
import torch

from eigenstep.optim._config import OptimizerConfig


def set_rate(optimizer: torch.optim.Optimizer, rate: float, initial: float) -> None:
    """Give every group the step's learning rate, or the initial one where it keeps that.

    Examples
    --------
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    >>> set_rate(optimizer, 0.05, 0.1)
    >>> optimizer.param_groups[0]["lr"]
    0.05
    """
    for group in optimizer.param_groups:
        group["lr"] = initial if group.get("fixed_rate") else rate * group.get("rate_share", 1.0)


def learning_rates(config: OptimizerConfig, steps: int, steps_per_epoch: int | None = None) -> np.ndarray:
    """The learning rate of each step, (steps,): linear warm-up, then constant or half a cosine to zero.

    Of a cosine that ends at `config.cosine_steps` the rate from there on is `config.final_rate`, or the one
    that it began at.

    Examples
    --------
    >>> learning_rates(OptimizerConfig(lr=1.0, warmup_steps=2), 4)
    array([0.5, 1. , 1. , 1. ])
    """
    assert config.lr is not None, "the configuration is resolved first"
    warmup_steps = config.warmup_steps + config.warmup_epochs * (steps_per_epoch or 0)
    step = np.arange(steps)
    warmup = np.minimum((step + 1) / max(warmup_steps, 1), 1.0)
    end = config.cosine_steps or steps
    progress = np.clip((step - warmup_steps) / max(end - warmup_steps, 1), 0, 1)
    decay = (1 + np.cos(math.pi * progress)) / 2 if config.schedule == "cosine" else 1.0
    rates: np.ndarray = config.lr * warmup * decay
    if config.schedule == "cosine" and config.cosine_steps is not None:
        rates[config.cosine_steps :] = config.lr if config.final_rate is None else config.final_rate
    return rates
