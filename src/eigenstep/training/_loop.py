"""Training an encoder: what a run is built from, and its running."""

from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric

from eigenstep.encoders import Encoder, build_encoder
from eigenstep.images import open_images
from eigenstep.machine import on_leader, set_threads
from eigenstep.methods import TargetNetwork, build_objective
from eigenstep.record import RunRecord, read_record
from eigenstep.training._learner import Learner
from eigenstep.training._loggers import check_loggers
from eigenstep.training._preemption import heed_sigterm
from eigenstep.training._probing import Probe
from eigenstep.training._processes import launch, own_threads
from eigenstep.training._progress import Progress
from eigenstep.training._resolve import resolve
from eigenstep.training._run import Run
from eigenstep.training._run_folder import check_folder
from eigenstep.training._seeds import derived_seed
from eigenstep.training._sync_batch_norm import synchronize_batch_norms
from eigenstep.training.config import TrainConfig


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> RunRecord:
    """Train an encoder and record the spectrum of its embeddings into the folder `out`.

    A run is determined by its configuration: on CPUs, with one thread count and one number of processes,
    two runs of it are equal bit by bit, also if one was killed and resumed. All randomness of a step is
    derived from the seed and the step's number. Both views pass the encoder as one batch, so batch
    normalisation sees 2B images.

    Under torchrun the batch is shared among all processes; the first one reads and writes the folder. What
    is learned is what one process would learn from the joint batch, batch normalisation included unless
    `sync_batch_norm` is off.

    Parameters
    ----------
    resume : go on from the last checkpoint in `out`, or start if there is none
    overwrite : replace a run that is in `out`
    progress : called at every step, in the first process

    Raises ValueError, FileNotFoundError, FileExistsError or PermissionError, before anything in `out` is
    touched, if the configuration cannot be run or `out` cannot be used; FloatingPointError, naming the
    step, if the loss is no longer finite: the last good checkpoint and the record stay; Preempted after
    SIGTERM, when a checkpoint is written.
    """
    out = Path(out)
    config = resolve(config)
    fabric = launch(config)
    on_leader(lambda: _check(out, config, resume, overwrite))
    set_threads(own_threads(config))
    tell = progress if progress and fabric.is_global_zero else _tell_nobody
    needs_labels = build_objective(config).needs_labels
    torch.manual_seed(config.seed)
    encoder = build_encoder(
        config.backbone, config.images.size, config.projector, weights=config.backbone_weights
    )
    probe = Probe(config) if config.probes.every and fabric.is_global_zero else None
    images = open_images(
        config.data,
        config.images,
        seed=config.seed,
        batch_size=config.batch_size,
        device=fabric.device,
        rank=fabric.global_rank,
        processes=fabric.world_size,
        labels=needs_labels,
        progress=lambda done, total: tell(Progress("reading", done, total)),
    )
    try:
        learner = _build_learner(fabric, config, encoder, images.classes)
        run = Run(fabric, config, out, learner, images, probe, tell)
        try:
            run.begin(overwrite)
            with heed_sigterm() as request:
                run.go_on(request.asked)
        finally:
            run.close()
    finally:
        images.close()
    return on_leader(lambda: read_record(out))


def _check(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    check_folder(out, config, resume, overwrite)
    check_loggers(config)


def _build_learner(fabric: Fabric, config: TrainConfig, encoder: Encoder, classes: int | None) -> Learner:
    torch.manual_seed(derived_seed(config.seed, 3))
    objective = build_objective(config, classes)
    if fabric.world_size > 1 and config.sync_batch_norm:
        synchronize_batch_norms(encoder, fabric.device)
        synchronize_batch_norms(objective, fabric.device)
    target = TargetNetwork(encoder, config.byol.momentum) if objective.needs_target else None
    return Learner(
        fabric,
        encoder,
        objective,
        target,
        micro_batch_size=config.micro_batch_size,
        seed=config.seed,
        compiled=config.compile,
    )


def _tell_nobody(progress: Progress) -> None:
    """For runs that nobody follows."""
