"""Training an encoder: what a run is built from, and its running."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.encoders import Encoder, TwoEncoders, channels_of, freeze, small_maps_as_products
from eigenstep.images import Pairs, open_images
from eigenstep.machine import calm_threads, keep_memory, on_leader, set_threads
from eigenstep.methods import Method, Objective, TargetNetwork, check_views, method_named, plugged
from eigenstep.optim import said_of_optimizer
from eigenstep.record import RunRecord, read_record
from eigenstep.training._beginning import Beginning, kept_start
from eigenstep.training._engine import Engine
from eigenstep.training._learner import Learner
from eigenstep.training._loggers import check_loggers
from eigenstep.training._more_steps import check_schedule, constant_from, with_more_steps
from eigenstep.training._own import Own, check_same_objects
from eigenstep.training._own_pairs import OwnPairs
from eigenstep.training._preconditioning import build_preconditioner
from eigenstep.training._preemption import StopRequest, heed_sigterm
from eigenstep.training._probing import Probe
from eigenstep.training._processes import launch, own_threads
from eigenstep.training._progress import Progress
from eigenstep.training._resolve import resolve
from eigenstep.training._resolve_images import views_for
from eigenstep.training._run import Run
from eigenstep.training._run_folder import OwnFolder
from eigenstep.training._seeds import derived_seed
from eigenstep.training.config import TrainConfig
from eigenstep.views import Augmentation


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    take_over: bool = False,
    progress: Callable[[Progress], None] | None = None,
    images: Any = None,
    views: Callable[..., tuple[Tensor, Tensor]] | tuple[Augmentation, Augmentation] | None = None,
    encoder: nn.Module | tuple[nn.Module | str, nn.Module | str] | None = None,
    objective: Callable[[Tensor, Tensor], Tensor] | Objective | None = None,
) -> RunRecord:
    """Train an encoder and record the spectrum of its embeddings into the folder `out`.

    A run is determined by its configuration: on CPUs, with one thread count and one number of processes,
    two runs of it are equal bit by bit, also if one was killed and resumed. All randomness of a step is
    derived from the seed and the step's number. Both views pass the encoder as one batch, so batch
    normalisation sees 2B images; of more views those of one size do. The record is of the first two.

    Under torchrun the batch is shared among all processes; the first one reads and writes the folder. What
    is learned is what one process would learn from the joint batch, batch normalisation included unless
    `sync_batch_norm` is off.

    Parameters
    ----------
    resume : bool
        Go on from the last checkpoint in `out`, or start if there is none. With other steps than the run
        had it goes on to those, where its schedule lets it; see `with_more_steps`.
    overwrite : bool
        Replace a run that is in `out`.
    take_over : bool
        Write in `out` also if a process of another machine, which cannot be asked, has not given it back.
    progress : Callable[[Progress], None] | None
        Called at every step, in the first process.
    images : Any
        A data set of one's own, in the place of `config.data`: an array, a tensor, any object with
        `__len__` and `__getitem__`, or a mapping of splits to those; see `eigenstep.images.own_data`. Without
        `views` its items are images; with `views` they are any tensors of one shape. Or
        `eigenstep.images.Pairs(x, y)` of two kinds of data, for two encoders.
    views : Callable[..., tuple[Tensor, Tensor]] | tuple | None
        Views of one's own, in the place of `config.views`: `views(batch, generator) -> (view_a, view_b)`; see
        `eigenstep.views.OwnViews`. Batches are what the items are stacked to. Of pairs, how each side is
        augmented, `(of_x, of_y)`, see `eigenstep.views.PairViews`; by default not at all.
    encoder : nn.Module | tuple | None
        An encoder of one's own, in the place of `config.backbone` and `config.projector`: any module that
        gives embeddings (B, d), or features (B, p) and embeddings (B, d). It is trained itself, from the
        weights that it has. Of pairs two, `(of_x, of_y)`: modules or names, see
        `eigenstep.encoders.TwoEncoders`.
    objective : Callable[[Tensor, Tensor], Tensor] | Objective | None
        a loss of one's own, in the place of `config.loss`: any callable (z_a, z_b) -> scalar of two (batch,
        dim) tensors, row i of both from one image. It sees the joint batch of all processes, in float32 or
        better. A module's parameters are trained too; what a method `terms(z_a, z_b)` gives, a dictionary of
        scalars, is recorded. An `eigenstep.methods.Objective` also receives the step, labels and more. The
        configuration says `loss: python:NAME`; to resume the run the objective is given again, and so are
        `images`, `views` and `encoder`.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError, PermissionError
        Before anything in `out` is touched, if the configuration cannot be run or `out` cannot be used.
    FloatingPointError
        Naming the step, if the loss is no longer finite: the last good checkpoint and the record stay.
    Preempted
        After SIGTERM: when a checkpoint is written or, before the first step, at once.
    Unwritable
        If the folder cannot be written, for example on a full disk: the last good checkpoint and the record
        stay.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> def distance_and_spread(z_a, z_b):
    ...     return (z_a - z_b).square().mean() + torch.relu(1 - torch.cat([z_a, z_b]).std(0)).mean()
    >>> config = TrainConfig(steps=2, batch_size=8, threads=1, images=ImagesConfig(size=8, patches=8))
    >>> record = train(config, tempfile.mkdtemp() + "/run", objective=distance_and_spread)
    >>> record.config["loss"], bool(record.metrics["loss"][-1] < record.metrics["loss"][0])
    ('python:distance_and_spread', True)
    """
    out = Path(out)
    of_pairs = isinstance(images, Pairs) or isinstance(encoder, TwoEncoders | tuple)
    own = OwnPairs.of(images, views, encoder) if of_pairs else Own.of(images, views, encoder)
    method = method_named(config.loss) if objective is None else plugged(objective)
    config = resolve(own.named_in(dataclasses.replace(config, loss=method.name)), method)
    if isinstance(own, OwnPairs):
        own.check_objective(method, _build(method, config))
    if resume:
        config = own.with_projector_of(out, config)
        config = with_more_steps(config, out, _build(method, config).target_momentum is not None)
    check_schedule(config.optimizer)
    engine = launch(config)
    folder = OwnFolder(out, config, resume=resume, overwrite=overwrite, take_over=take_over)
    with heed_sigterm() as request:
        try:
            return _train(engine, config, method, folder, progress, own, objective, request)
        finally:
            folder.release()


def _train(
    engine: Engine,
    config: TrainConfig,
    method: Method[Any],
    folder: OwnFolder,
    progress: Callable[[Progress], None] | None,
    own: Own,
    objective: Callable[[Tensor, Tensor], Tensor] | Objective | None,
    request: StopRequest,
) -> RunRecord:
    on_leader(lambda: _check(folder))
    set_threads(own_threads(config))
    tell = progress if progress and engine.is_global_zero else _tell_nobody
    if own.encoder is None:
        _build(method, config)  # refuses what its loss refuses, before images are read
    config = on_leader(folder.as_begun)
    started = on_leader(lambda: kept_start(folder.out) if folder.resume else None)
    encoder = own.build_encoder(config, started)  # refuses a backbone before images are read
    prepare = own.views.plain if own.views else None
    probe = Probe(config, own.images, prepare) if config.probes.every and engine.is_global_zero else None
    images = open_images(
        own.images or config.data,
        config.images,
        seed=config.seed,
        batch_size=config.batch_size,
        device=engine.device,
        rank=engine.global_rank,
        processes=engine.world_size,
        labels=method.needs_labels,
        progress=lambda done, total: tell(Progress("reading", done, total)),
        check=partial(views_for, config),  # refuses what such images do not have before all are read
    )
    try:
        assumed, config = config, own.resolve_images(config, images)
        if channels_of(config) != channels_of(assumed):
            encoder = own.build_encoder(config, started)
        encoder, config, view = own.try_encoder(encoder, engine, config, images)
        folder.config = config
        if own.encoder is not None:  # whose dimension is known now
            on_leader(folder.check)
        start = Beginning(encoder.start, freeze(encoder, config.freeze))
        scale: list[str] = []
        if config.pretrained:
            from eigenstep.encoders import other_scale  # needs timm

            scale = other_scale(config.backbone, config.views.mean, config.views.std)
        learner = build_learner(engine, config, method, encoder, images.classes, view)
        said = said_of_optimizer(learner.encoder, config.optimizer, learner.objective)
        for line in [*start.lines, *scale, *said, *(constant_from(config) if folder.resume else [])]:
            tell(Progress("starting", 0, 0, said=line))
        if probe is not None:
            probe.follow(config)
        if objective is not None:
            pairs = config.batch_size // engine.world_size
            learner.try_objective(pairs, config.projector.dim, images.classes or 1, view)
        run = Run(engine, config, folder.out, learner, images, probe, tell, start, own.views)
        try:
            with run.told_if_unwritable():
                run.begin(folder)
                request.begin_steps()
                # What is compiled has convolutions of the compiler's.
                faster = nullcontext() if config.compile else small_maps_as_products(*learner.parts.values())
                with calm_threads(), faster, keep_memory(engine.world_size) as keep:
                    run.go_on(request.asked, keep)
        finally:
            run.close()
    finally:
        images.close()
    return on_leader(lambda: read_record(folder.out))


def _check(folder: OwnFolder) -> None:
    if folder.resume:
        check_same_objects(folder.out, folder.config)
    folder.check()
    check_loggers(folder.config)


def _build(method: Method[Any], config: TrainConfig, classes: int | None = None) -> Objective:
    objective = method.build(method.options_in(config), config.projector.dim, classes or 1)
    check_views(config, objective)
    return objective


def build_learner(
    engine: Engine,
    config: TrainConfig,
    method: Method[Any],
    encoder: Encoder,
    classes: int | None,
    view: tuple[int, ...],
) -> Learner:
    """What a run trains, on its device; `view`: the shape of one view.

    Raises
    ------
    ValueError
        For what its loss refuses.

    Examples
    --------
    >>> from eigenstep.encoders import initial_encoder
    >>> from eigenstep.training import OneProcess
    >>> config = TrainConfig(loss="vicreg")
    >>> engine, method = OneProcess("cpu", "32-true"), method_named("vicreg")
    >>> learner = build_learner(engine, config, method, initial_encoder(config), None, (3, 32, 32))
    >>> sorted(learner.parts), learner.dtype
    (['backbone', 'projector'], torch.float32)
    """
    torch.manual_seed(derived_seed(config.seed, 3))
    objective = _build(method, config, classes)
    if objective.needs_views:
        objective.begin(view)
    if engine.world_size > 1 and config.sync_batch_norm:
        from eigenstep.training._sync_batch_norm import synchronize_batch_norms

        synchronize_batch_norms(encoder, engine.device)
        synchronize_batch_norms(objective, engine.device)
    momentum = objective.target_momentum
    target = None if momentum is None else TargetNetwork(encoder, momentum)
    return Learner(
        engine,
        encoder,
        objective,
        target,
        micro_batch_size=config.micro_batch_size,
        seed=config.seed,
        compiled=config.compile,
        preconditioner=build_preconditioner(config, method),
        global_views=config.views.global_views,
        local_views=config.views.local_views,
    )


def _tell_nobody(progress: Progress) -> None:
    """For runs that nobody follows."""
