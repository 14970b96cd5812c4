"""A configuration with its defaults filled in, and refused where no data could make it run."""

import dataclasses
import math

from eigenstep.training._config import TrainConfig
from eigenstep.training._objectives import default_rate


def resolve(config: TrainConfig) -> TrainConfig:
    """The configuration with its defaults filled in, as it stands in `config.yaml`.

    Raises ValueError for a value that cannot be run, whatever the data.

    >>> resolve(TrainConfig(loss="simclr")).optimizer.lr
    0.05
    >>> resolve(TrainConfig(batch_size=64)).record.probe
    64
    """
    _check_counts(config)
    _check_numbers(config)
    lr = default_rate(config) if config.optimizer.lr is None else config.optimizer.lr
    probe = min(128, config.batch_size) if config.record.probe is None else config.record.probe
    return dataclasses.replace(
        config,
        optimizer=dataclasses.replace(config.optimizer, lr=lr),
        record=dataclasses.replace(config.record, probe=probe),
    )


def _check_counts(config: TrainConfig) -> None:
    least = {
        "steps": (config.steps, 1),
        "batch_size": (config.batch_size, 2),
        "seed": (config.seed, 0),
        "threads": (config.threads, 1),
        "images.size": (config.images.size, 1),
        "images.stored_size": (config.images.stored_size, 1),
        "images.limit": (config.images.limit, 1),
        "images.patches": (config.images.patches, 1),
        "projector.hidden": (min(config.projector.hidden, default=None), 1),
        "projector.dim": (config.projector.dim, 1),
        "optimizer.warmup_steps": (config.optimizer.warmup_steps, 0),
        "record.every": (config.record.every, 1),
        "record.probe": (config.record.probe, 0),
        "record.directions": (config.record.directions, 1),
        "checkpoint.every": (config.checkpoint.every, 1),
        "checkpoint.keep": (config.checkpoint.keep, 1),
    }
    for name, (count, smallest) in least.items():
        if count is not None and count < smallest:
            raise ValueError(f"{name} is too small: expected at least {smallest}, got {count}")


def _check_numbers(config: TrainConfig) -> None:
    optimizer, lr = config.optimizer, config.optimizer.lr
    if lr is not None and not 0 < lr < 1e30:  # a larger one overflows in float32
        raise ValueError(f"optimizer.lr: expected a positive number below 1e30, got {lr}")
    if not 0 <= optimizer.momentum < 1:
        raise ValueError(f"optimizer.momentum: expected a number in [0, 1), got {optimizer.momentum}")
    if not 0 <= optimizer.weight_decay < math.inf:
        raise ValueError(f"optimizer.weight_decay: expected at least 0, got {optimizer.weight_decay}")
    if not math.isfinite(config.projector.init_scale):
        raise ValueError(f"projector.init_scale: expected a number, got {config.projector.init_scale}")
