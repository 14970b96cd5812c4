"""The checks of a configuration of `eigenstep train`."""

import copy
import dataclasses
import itertools
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from torch import nn

from eigenstep.advice.checks._batches import BATCHES, Again, Pair
from eigenstep.advice.checks._check import judged
from eigenstep.advice.checks._finding import Checked
from eigenstep.advice.checks._known import Known
from eigenstep.advice.checks._loop import Passed
from eigenstep.advice.checks._unchanged import random_state_kept
from eigenstep.encoders import Checkpoint, find_checkpoint, freeze, initial_encoder, load_checkpoint
from eigenstep.images import open_images
from eigenstep.methods import method_named
from eigenstep.optim import build_optimizer
from eigenstep.record import RunRecord, as_dataclass, config_leaves
from eigenstep.spelling import is_python
from eigenstep.training import (
    Engine,
    Learner,
    TrainConfig,
    build_learner,
    derived_seed,
    launch,
    resolve,
    resolve_images,
    views_for,
)
from eigenstep.views import Crops


class ConfiguredLoop:
    """The loop of `eigenstep train`: a learner, and the optimiser of its configuration."""

    def __init__(
        self,
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        labels: list[Any],
        crops: list[tuple[torch.Tensor, ...]],
    ) -> None:
        self.learner, self.optimizer, self.labels, self.crops = learner, optimizer, labels, crops

    @property
    def model(self) -> nn.Module:
        return self.learner.encoder

    @property
    def teacher(self) -> nn.Module | None:
        return self.learner.target

    @property
    def loss(self) -> Callable[..., Any] | None:
        """The loss of two views' embeddings where the objective is no more than one."""
        found: Any = getattr(self.learner.objective, "loss", None)
        plain = (
            isinstance(found, nn.Module) and not self.learner.objective.needs_labels and self.teacher is None
        )
        own = any(True for _ in self.learner.objective.parameters())
        return found if plain and not own else None

    @property
    def why_no_loss(self) -> str:
        return f"{type(self.learner.objective).__name__} needs more than the embeddings of two views"

    def forward(self, views: Pair, index: int) -> Passed:
        labels, count = self.labels[index], len(views[0])
        crops = [crop[:count] for crop in self.crops[index]]
        passed = self.learner.forward(index, (*views, *crops), None if labels is None else labels[:count])
        z_a, z_b = passed.embeddings[:2]
        return Passed(z_a, z_b, passed.loss)

    def copied(self) -> Self:
        engine = self.learner.engine
        return copy.deepcopy(self, {id(engine): engine})


def check_run(record: RunRecord) -> Checked:
    """Check a run of `eigenstep train` as it is now: `check_config` with the weights of its last checkpoint.

    The optimiser begins anew, at the rate that is set; without a checkpoint the weights are the initial ones.

    Raises
    ------
    ValueError
        In one line for a run of another loop, and for one that was given objects of Python.
    """
    if not record.config.get("loss") or record.is_prediction:
        raise ValueError(
            f"{record.path} has no configuration of `eigenstep train`; of a watched loop call"
            " watched.advise(loader, loss)"
        )
    config: TrainConfig = as_dataclass(TrainConfig, record.config)
    if own := [name for name, value in config_leaves(record.config).items() if is_python(str(value))]:
        raise ValueError(
            f"{record.path} was given objects of Python ({', '.join(own)}), which a folder does not hold:"
            " call eigenstep.check of the parts, and eigenstep.advise(run, checked)"
        )
    try:
        weights = load_checkpoint(find_checkpoint(record.path))
    except FileNotFoundError:
        weights = None
    return check_config(config, weights)


def check_config(config: TrainConfig, weights: Checkpoint | None = None) -> Checked:
    """Check what `eigenstep train` would do, on its first three batches; see `check`.

    Parameters
    ----------
    weights : Checkpoint | None
        Of the run so far; default: as it begins.

    Raises
    ------
    ValueError, FileNotFoundError
        As `eigenstep.training.train`, for a configuration that cannot be run.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig
    >>> config = TrainConfig(batch_size=64, threads=1, images=ImagesConfig(patches=256))
    >>> check_config(config).ok
    True
    """
    began = time.perf_counter()
    method = method_named(config.loss)
    config = resolve(config, method)
    engine = launch(config)
    with random_state_kept():
        # Three batches are enough: no more images are decoded.
        most = BATCHES * config.batch_size
        limit = min(config.images.limit or most, most)
        images = open_images(
            config.data,
            dataclasses.replace(config.images, limit=limit),
            seed=config.seed,
            batch_size=config.batch_size,
            device=engine.device,
            rank=engine.global_rank,
            processes=engine.world_size,
            labels=method.needs_labels,
            check=partial(views_for, config),
        )
        try:
            config = resolve_images(config, images)
            batches = list(itertools.islice(images.batches(0), BATCHES))
        finally:
            images.close()
        views = Crops(config.views, config.images.size)
        part, parts = engine.global_rank, engine.world_size
        drawn = [
            views(batch.images, _generator(config, index), part, parts) for index, batch in enumerate(batches)
        ]
        later = views(batches[0].images, _generator(config, BATCHES), part, parts)
        learner = _learner(engine, config, images.classes)
        if weights is not None:
            weights.restore(learner.parts)
        optimizer = build_optimizer(
            learner.encoder, config.optimizer, learner.objective, learner.objective.fixed_rate
        )
        known = Known(
            ConfiguredLoop(
                learner, optimizer, [batch.labels for batch in batches], [each[2:] for each in drawn]
            ),
            [(each[0], each[1]) for each in drawn],
            Again("two passes", drawn[0][0], later[0]),
            batch_size=config.batch_size,
            config=config,
            images=[batch.images for batch in batches],
        )
        return judged(known, began)


def _generator(config: TrainConfig, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(config.seed, 1, step))


def _learner(engine: Engine, config: TrainConfig, classes: int | None) -> Learner:
    """What a run would train, in one piece, without its folder."""
    encoder = initial_encoder(config)
    freeze(encoder, config.freeze)
    whole = dataclasses.replace(config, micro_batch_size=None, compile=False)
    view = (config.images.channels or 3, config.images.size, config.images.size)
    return build_learner(engine, whole, method_named(config.loss), encoder, classes, view)
