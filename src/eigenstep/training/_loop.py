"""The training loop: two views, a loss, a step, and the record of the spectrum."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from eigenstep.spectrum import RunRecord, read_record
from eigenstep.threads import set_threads
from eigenstep.training._backbones import build_encoder
from eigenstep.training._checkpoints import copy_weights, find_checkpoints, load_checkpoint, save_checkpoint
from eigenstep.training._config import TrainConfig
from eigenstep.training._images import load_images
from eigenstep.training._objectives import build_loss
from eigenstep.training._optimizer import build_optimizer, learning_rates
from eigenstep.training._recorder import Recorder
from eigenstep.training._resolve import resolve
from eigenstep.training._run_folder import check_folder, open_folder
from eigenstep.views import TwoViews, ViewsConfig


@dataclass(frozen=True)
class Progress:
    """What a run tells while it goes on.

    Attributes
    ----------
    stage : "reading" (images) or "training" (steps)
    done, total : images or steps
    loss : of the last measurement, None before the first
    images_per_second : of the training so far in this process
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    images_per_second: float | None = None


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> RunRecord:
    """Train an encoder and record the spectrum of its embeddings into the folder `out`.

    A run is determined by its configuration: on one CPU, with one thread count, two runs of it are equal
    bit by bit, also if one was killed and resumed. All randomness of a step is derived from the seed and
    the step's number. Both views pass the encoder as one batch, so batch normalisation sees 2B images.

    Parameters
    ----------
    resume : go on from the last checkpoint in `out`, or start if there is none
    overwrite : replace a run that is in `out`
    progress : called at every step

    Raises ValueError, FileNotFoundError, FileExistsError or PermissionError, before anything in `out` is
    touched, if the configuration cannot be run or `out` cannot be used; FloatingPointError, naming the
    step, if the loss is no longer finite: the last good checkpoint and the record stay.
    """
    out, tell = Path(out), progress or (lambda _: None)
    config = resolve(config)
    check_folder(out, config, resume, overwrite)
    set_threads(config.threads or os.cpu_count() or 1)
    fabric = _fabric(config)
    loss_function = build_loss(config)
    two_views = TwoViews(config.views, config.images.size)
    torch.manual_seed(config.seed)
    encoder = build_encoder(config.backbone, config.images.size, config.projector)
    encoder.to(memory_format=torch.channels_last)  # a third faster on a CPU with the small convnet
    optimizer = build_optimizer(encoder, config.optimizer)
    dataset = load_images(
        config.data, config.images, config.seed, lambda done, total: tell(Progress("reading", done, total))
    )
    if config.batch_size > len(dataset):
        raise ValueError(
            f"batch_size {config.batch_size} is larger than the data set of {len(dataset)} images;"
            " set a smaller --batch-size"
        )

    open_folder(out, config, overwrite)
    checkpoints = find_checkpoints(out / "checkpoints")
    start = load_checkpoint(checkpoints[-1], encoder, optimizer) if checkpoints else 0
    model, optimizer = fabric.setup(encoder, optimizer)
    images = fabric.to_device(dataset.images)
    probe_images = _probe_images(config, images).to(next(encoder.parameters()).dtype)
    recorder = Recorder(out, config, model, dataset, probe_images, start)
    rates = learning_rates(config.optimizer, config.steps)
    times = np.concatenate([[0.0], np.cumsum(rates)])
    guard = _FiniteGuard(fabric.device)
    measured: float | None = None

    for step in range(start, config.steps + 1):
        last = step == config.steps
        due = step > start and (last or step % config.checkpoint.every == 0)
        weights = copy_weights(encoder) if due else {}  # the pass below moves running statistics
        rows = torch.from_numpy(_batch(config, len(images), step)).to(images.device)
        views = two_views(images[rows], torch.Generator().manual_seed(_derived_seed(config.seed, 1, step)))
        torch.manual_seed(_derived_seed(config.seed, 2, step))  # for dropout and the like
        features, embeddings = model(torch.cat(views).contiguous(memory_format=torch.channels_last))
        z_a, z_b = embeddings.float().chunk(2)
        loss = loss_function(z_a, z_b)
        guard.see(step, loss)
        if due:
            guard.check(recorder)
            if save_checkpoint(out / "checkpoints", step, weights, optimizer, config.checkpoint.keep) is None:
                guard.stop(recorder, step, "a weight")
        if last or step % config.record.every == 0:
            guard.check(recorder)
            measured = loss.item()
            recorder.measure(
                step,
                float(times[step]),
                features.float().chunk(2),
                (z_a, z_b),
                loss_function.terms(z_a.detach(), z_b.detach()),
                loss=measured,
                learning_rate=float(rates[min(step, config.steps - 1)]),
            )
        tell(Progress("training", step, config.steps, measured, recorder.images_per_second(step)))
        if not last:
            for group in optimizer.param_groups:
                group["lr"] = float(rates[step])
            optimizer.zero_grad()
            fabric.backward(loss)
            optimizer.step()
    recorder.finish("finished", config.steps)
    return read_record(out)


def _fabric(config: TrainConfig) -> Fabric:
    try:
        return Fabric(accelerator=config.device, devices=1, precision=config.precision)
    except (ImportError, RuntimeError, ValueError) as error:
        raise ValueError(f"device {config.device!r} cannot be used here: {error}") from error


class _FiniteGuard:
    """Remembers on the device the first step whose loss was not finite, so that no step has to wait."""

    def __init__(self, device: torch.device) -> None:
        self.first = torch.full((), -1, dtype=torch.int64, device=device)

    def see(self, step: int, loss: Tensor) -> None:
        bad = (self.first < 0) & ~torch.isfinite(loss.detach())
        self.first = torch.where(bad, step, self.first)

    def check(self, recorder: Recorder) -> None:
        step = int(self.first)
        if step >= 0:
            self.stop(recorder, step, "the loss")

    def stop(self, recorder: Recorder, step: int, what: str) -> None:
        recorder.finish("diverged", step)
        kept = find_checkpoints(recorder.out / "checkpoints")
        raise FloatingPointError(
            f"{what} is not finite at step {step}; "
            + (f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was due before")
            + "; try a smaller --optimizer.lr"
        )


def _probe_images(config: TrainConfig, images: Tensor) -> Tensor:
    """The first images as the encoder takes them: resized and normalised, not augmented otherwise."""
    first = images[: config.record.probe]
    if not len(first):
        return first
    plain = dataclasses.replace(
        ViewsConfig.none(config.views.normalize), mean=config.views.mean, std=config.views.std
    )
    return TwoViews(plain, config.images.size)(first, torch.Generator())[0]


def _batch(config: TrainConfig, images: int, step: int) -> np.ndarray:
    """Which images the step sees: every epoch is a new order, its incomplete last batch is left out."""
    epoch, position = divmod(step, images // config.batch_size)
    order = np.random.default_rng([config.seed, 0, epoch]).permutation(images)
    return order[position * config.batch_size : (position + 1) * config.batch_size]


def _derived_seed(seed: int, stream: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, stream, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))
