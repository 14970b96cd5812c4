"""A configuration with its defaults filled in, and refused where no data could make it run."""

import dataclasses
import math
from typing import Any

from eigenstep.images import never_has_labels
from eigenstep.methods import METHODS, Method, default_rate, method_named
from eigenstep.optim import with_defaults
from eigenstep.training._preconditioning import check_preconditioner
from eigenstep.training._processes import best_precision
from eigenstep.training.config import OptimizerConfig, Precision, TrainConfig
from eigenstep.views import ViewsConfig


def resolve(config: TrainConfig, method: Method[Any] | None = None) -> TrainConfig:
    """The configuration with its defaults filled in, as it stands in `config.yaml`.

    Parameters
    ----------
    method : Method[Any] | None
        What is trained by; default: the one that `config.loss` names.

    Raises
    ------
    ValueError
        For a value that cannot be run, whatever the data.

    Examples
    --------
    >>> resolve(TrainConfig(loss="simclr")).optimizer.lr
    0.05
    >>> resolve(TrainConfig(batch_size=64)).record.probe
    64
    """
    method = method or method_named(config.loss)
    _check_counts(config)
    _check_numbers(config)
    _check_choices(config)
    for each in {**METHODS, config.loss: method}.values():
        each.check(each.options_in(config))
    check_preconditioner(config, method)
    _check_crops(config)
    if method.needs_labels and never_has_labels(config.data):
        raise ValueError(f"{config.loss} learns from labels, {config.data} has none; set --data")
    if config.images.channels is not None:
        config.views.for_channels(config.images.channels)  # refuses what such images do not have
    lr = default_rate(config) if config.optimizer.lr is None else config.optimizer.lr
    probe = min(128, config.batch_size) if config.record.probe is None else config.record.probe
    return dataclasses.replace(
        config,
        steps=300 if config.steps is None and config.epochs is None else config.steps,
        precision=_precision(config),
        optimizer=with_defaults(dataclasses.replace(config.optimizer, lr=lr)),
        views=_with_side(config.views, config.images.size),
        record=dataclasses.replace(config.record, probe=probe),
    )


def _with_side(views: ViewsConfig, image_size: int) -> ViewsConfig:
    if not views.local_views:
        return views
    return dataclasses.replace(views, local_size=views.side_of_local(image_size))


def _precision(config: TrainConfig) -> Precision:
    return best_precision(config.device) if config.precision == "auto" else config.precision


def _check_crops(config: TrainConfig) -> None:
    views = config.views
    if not views.local_views and views.local_size is not None:
        raise ValueError(
            f"views.local_size {views.local_size}: expected local views, got none; set --views.local-views,"
            " or --views.local-size None"
        )
    if views.own is not None:
        views.refuse_crops(f"views of one's own, {views.own}, are")
    if config.embedding_preconditioner.power is not None:
        views.refuse_crops("embedding_preconditioner.power takes")


def _check_counts(config: TrainConfig) -> None:
    least = {
        "steps": (config.steps, 1),
        "epochs": (config.epochs, 1),
        "batch_size": (config.batch_size, 2),
        "micro_batch_size": (config.micro_batch_size, 1),
        "seed": (config.seed, 0),
        "threads": (config.threads, 1),
        "images.size": (config.images.size, 1),
        "images.stored_size": (config.images.stored_size, 1),
        "images.limit": (config.images.limit, 1),
        "images.patches": (config.images.patches, 1),
        "images.channels": (config.images.channels, 1),
        "projector.hidden": (min(config.projector.hidden, default=None), 1),
        "projector.dim": (config.projector.dim, 1),
        "images.workers": (config.images.workers, 0),
        "images.shuffle_buffer": (config.images.shuffle_buffer, 1),
        "optimizer.warmup_steps": (config.optimizer.warmup_steps, 0),
        "optimizer.warmup_epochs": (config.optimizer.warmup_epochs, 0),
        "optimizer.cosine_steps": (config.optimizer.cosine_steps, 1),
        "optimizer.projector_first": (config.optimizer.projector_first, 0),
        "record.every": (config.record.every, 1),
        "record.probe": (config.record.probe, 0),
        "record.directions": (config.record.directions, 1),
        "checkpoint.every": (config.checkpoint.every, 1),
        "checkpoint.keep": (config.checkpoint.keep, 1),
        "probes.every": (config.probes.every, 1),
        "probes.train_limit": (config.probes.train_limit, 1),
        "probes.test_limit": (config.probes.test_limit, 1),
        "probes.neighbours": (config.probes.neighbours, 1),
    }
    for name, (count, smallest) in least.items():
        if count is not None and count < smallest:
            raise ValueError(f"{name} is too small: expected at least {smallest}, got {count}")


def _check_numbers(config: TrainConfig) -> None:
    optimizer, lr = with_defaults(config.optimizer), config.optimizer.lr
    if lr is not None and not 0 < lr < 1e30:  # a larger one overflows in float32
        raise ValueError(f"optimizer.lr: expected a positive number below 1e30, got {lr}")
    if optimizer.momentum is None or not 0 <= optimizer.momentum < 1:
        raise ValueError(f"optimizer.momentum: expected a number in [0, 1), got {optimizer.momentum}")
    if optimizer.nesterov and not optimizer.momentum:
        raise ValueError("optimizer.nesterov needs a momentum, got optimizer.momentum 0")
    if not 0 <= optimizer.fallback_share < math.inf:
        raise ValueError(f"optimizer.fallback_share: expected at least 0, got {optimizer.fallback_share}")
    if not 0 < optimizer.trust_coefficient < math.inf:
        raise ValueError(
            f"optimizer.trust_coefficient: expected a positive number, got {optimizer.trust_coefficient}"
        )
    if not 0 <= optimizer.weight_decay < math.inf:
        raise ValueError(f"optimizer.weight_decay: expected at least 0, got {optimizer.weight_decay}")
    if optimizer.layer_decay is not None and not 0 < optimizer.layer_decay <= 1:
        raise ValueError(f"optimizer.layer_decay: expected a number in (0, 1], got {optimizer.layer_decay}")
    if optimizer.final_rate is not None and not 0 < optimizer.final_rate < 1e30:
        raise ValueError(
            f"optimizer.final_rate: expected a positive number below 1e30, got {optimizer.final_rate}"
        )
    if not math.isfinite(config.projector.init_scale):
        raise ValueError(f"projector.init_scale: expected a number, got {config.projector.init_scale}")


def _check_choices(config: TrainConfig) -> None:
    if config.steps is not None and config.epochs is not None:
        raise ValueError(f"expected steps or epochs, got both ({config.steps} and {config.epochs})")
    if config.optimizer.name != "muon":
        for name in ("muon_scale", "fallback_share"):
            if (value := getattr(config.optimizer, name)) != getattr(OptimizerConfig(), name):
                raise ValueError(
                    f"optimizer.{name} is muon's, got {value} with {config.optimizer.name};"
                    " give --optimizer.name muon, or leave it out"
                )
    if config.optimizer.warmup_steps and config.optimizer.warmup_epochs:
        raise ValueError("expected optimizer.warmup_steps or optimizer.warmup_epochs, got both")
    if config.pretrained and config.backbone_weights is not None:
        raise ValueError(f"expected --pretrained or --backbone-weights, got both ({config.backbone_weights})")
    if config.weights_prefix is not None and config.backbone_weights is None:
        raise ValueError(
            "--weights-prefix says where in a file weights are; give the file with --backbone-weights"
        )
    if config.record.drift and config.record.probe == 0:
        raise ValueError(
            "--record.drift follows the features of the probe batch; give --record.probe more than 0"
        )
    if config.probes.every and not config.probes.data and never_has_labels(config.data):
        raise ValueError(
            f"probes need labelled images, {config.data} has none; set --probes.data, or leave out"
            " --probes.every"
        )
