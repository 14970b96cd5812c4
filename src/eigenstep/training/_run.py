"""The training loop: views, a loss, a step, and what is kept of it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from eigenstep.analysis import Landmark
from eigenstep.encoders import (
    Checkpoint,
    Weights,
    all_finite,
    as_input,
    copy_weights,
    find_checkpoints,
    prepare_images,
    save_best,
    save_checkpoint,
    take_newest,
)
from eigenstep.images import Images
from eigenstep.machine import (
    Stopped,
    gather_objects,
    gather_rows,
    max_over_processes,
    mean_over_processes,
    on_leader,
)
from eigenstep.optim import build_optimizer, learning_rates, set_rate
from eigenstep.record import CHECKPOINTS
from eigenstep.training._beginning import NOTHING, Beginning
from eigenstep.training._engine import Engine
from eigenstep.training._health import Health
from eigenstep.training._learner import ForwardPass, Learner
from eigenstep.training._loggers import build_loggers
from eigenstep.training._more_steps import fewer_steps
from eigenstep.training._preemption import Preempted
from eigenstep.training._probing import Probe
from eigenstep.training._progress import Progress
from eigenstep.training._recorder import Recorder
from eigenstep.training._run_folder import OwnFolder
from eigenstep.training._seeds import derived_seed
from eigenstep.training.config import TrainConfig
from eigenstep.views import Crops, OwnViews, PairViews


class Unwritable(Stopped):
    """A run's folder could not be written; it goes on from its last checkpoint when it can be."""


class Run:
    """A run while it goes on, in one of its processes; the first one, the leader, writes the folder.

    Parameters
    ----------
    probe : Probe | None
        Of the leader, if features are probed while training.
    tell : Callable[[Progress], None]
        Called at every step.
    beginning : Beginning
        What weights it starts from, and what is frozen.
    own_views : OwnViews | None
        In the place of those of `config.views`.
    """

    def __init__(
        self,
        engine: Engine,
        config: TrainConfig,
        out: Path,
        learner: Learner,
        images: Images,
        probe: Probe | None,
        tell: Callable[[Progress], None],
        beginning: Beginning = NOTHING,
        own_views: OwnViews | None = None,
    ) -> None:
        self.engine, self.config, self.out = engine, config, out
        self.learner, self.images, self.probe, self.tell = learner, images, probe, tell
        self.beginning = beginning
        self.optimizer = build_optimizer(
            learner.encoder, config.optimizer, learner.objective, learner.objective.fixed_rate
        )
        steps_per_epoch = images.count // config.batch_size if images.count else None
        self.steps = _number_of_steps(config, steps_per_epoch)
        self.rates = learning_rates(config.optimizer, self.steps, steps_per_epoch)
        self.times = np.concatenate([[0.0], np.cumsum(self.rates)])
        self.views = own_views or Crops(config.views, config.images.size)
        self.start = 0
        self.recorder: Recorder | None = None
        self.loss: float | None = None
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=engine.device)

    def begin(self, folder: OwnFolder) -> None:
        """Make the folder ready, and take up what its last checkpoint that can be read holds."""

        def prepare() -> Checkpoint | None:
            folder.take()
            checkpoint, problems = (None, []) if folder.overwrite else take_newest(self.out / CHECKPOINTS)
            if checkpoint is not None and checkpoint.step > self.steps:
                raise ValueError(fewer_steps(self.out, checkpoint.step, self.steps))
            folder.begin()
            for problem in problems:
                warnings.warn(f"{problem}; the run goes on from an earlier checkpoint", stacklevel=2)
            return checkpoint

        checkpoint = on_leader(prepare)
        if checkpoint is not None:
            self.start = checkpoint.step
            checkpoint.restore(self.learner.parts)
            self.optimizer.load_state_dict(checkpoint.optimizer["optimizer"])
            self.engine.load_state_dict(checkpoint.optimizer["precision"])
            for state in checkpoint.images[self.engine.global_rank :][:1]:
                self.images.restore(state)
        if self.engine.is_global_zero:
            measured = self.images.probe(self.config.record.probe or 0)
            self.recorder = Recorder(
                self.out,
                self.config,
                self.learner.encoder,
                self.engine.autocast,
                measured if self.images.has_pictures else measured[:0],
                self._plain(measured),
                Health(self.learner, self.engine),
                build_loggers(self.config, self.out, self.start),
                self.start,
                None if checkpoint is None else checkpoint.measurements,
                drift=self.config.record.drift or self.beginning.weights is not None,
            )
            self.recorder.place_losses(self._landmarks(), self.engine.world_size)
            if self.beginning.weights is not None and checkpoint is None:
                self.recorder.writer.write_start(self.beginning.weights.facts())

    def _landmarks(self) -> list[Landmark]:
        """The values that the loss has by itself; what fails there ends no training."""
        shape = self.config.batch_size, self.config.projector.dim, self.engine.world_size
        try:
            return self.learner.objective.landmarks(*shape)
        except Exception as error:
            warnings.warn(
                f"where the loss stands is not shown: its landmarks failed ({type(error).__name__}: {error})",
                stacklevel=2,
            )
            return []

    @contextmanager
    def told_if_unwritable(self) -> Iterator[None]:
        """An error of the disk in the run's folder becomes one that says how to go on."""
        try:
            yield
        except OSError as error:
            place = str(error.filename or "")
            if not place or not Path(place).is_relative_to(self.out):
                raise
            kept = find_checkpoints(self.out / CHECKPOINTS) if self.recorder else []
            raise Unwritable(
                f"{place} cannot be read or written ({error.strerror}); when it can, "
                + (
                    f"--resume goes on from {kept[-1]}"
                    if kept
                    else "begin anew: no checkpoint was due before"
                    if self.recorder
                    else "give the same command again"
                )
            ) from error

    def close(self) -> None:
        """End what sends measurements elsewhere; after a run that has finished there is nothing to end."""
        if self.recorder:
            self.recorder.loggers.close("stopped")

    def go_on(self, asked_to_stop: Callable[[], bool], after_first: Callable[[], None]) -> None:
        """Train to the last step, or until asked to stop, which raises Preempted.

        `after_first` is called once, when the first step on a CPU has used the memory that a step needs.
        """
        every = self.config.checkpoint.every
        for step, batch in enumerate(self.images.batches(self.start), start=self.start):
            last = step == self.steps
            stopping = asked_to_stop() and not last
            saving = stopping or (step > self.start and (last or step % every == 0))
            probing = self._is_due(step, self.config.probes.every)
            # The pass below moves running statistics.
            weights = copy_weights(self.learner.parts) if self.recorder and (saving or probing) else {}
            if probing:
                on_leader(partial(self._probe, step, weights))
            projector_alone = step < self.config.optimizer.projector_first
            self.learner.encoder.hold(projector_alone)
            generator = torch.Generator().manual_seed(derived_seed(self.config.seed, 1, step))
            part, parts = self.engine.global_rank, self.engine.world_size
            passed = self.learner.forward(
                step, self.views(batch.images, generator, part, parts), batch.labels
            )
            self._see(step, passed.loss)
            if saving:
                self._check_finite()
                states = gather_objects(self.images.state())
                if not on_leader(partial(self._save, step, weights, states)):
                    self._diverged(step, "a weight")
            measuring = self._is_due(step, self.config.record.every)
            if measuring:
                self._check_finite()
                self._measure(step, passed, batch.images)
            self._tell("training", step)
            recorder = self.recorder if measuring else None
            if recorder and (stopping or last):
                recorder.add(step)
            if stopping:
                raise Preempted(step)
            if last:
                break
            set_rate(self.optimizer, float(self.rates[step]), float(self.config.optimizer.lr or 0))
            self.optimizer.zero_grad()
            self.learner.backward(passed)
            if projector_alone:
                for parameter in self.learner.encoder.backbone.parameters():
                    parameter.grad = None  # the optimiser passes it over, and keeps no state of it
            if recorder:
                recorder.before_update()
            self.engine.step(self.optimizer)
            if recorder:
                recorder.add(step)
            if self.learner.target:
                self.learner.target.follow(self.learner.encoder, step, self.steps)
            if step == self.start and self.engine.device.type == "cpu":
                after_first()
        self._finish("finished", self.steps)

    def _is_due(self, step: int, every: int | None) -> bool:
        return every is not None and (step % every == 0 or step == self.steps)

    def _tell(self, stage: str, step: int) -> None:
        if self.recorder:
            speed, waiting = self.recorder.images_per_second(step), self.recorder.share(self.images.waited)
            modes, standing = self.recorder.learned_modes, self.recorder.standing
            told = Progress(stage, step, self.steps, self.loss, speed, modes, waiting, standing=standing)
            self.tell(told)

    def _measure(self, step: int, passed: ForwardPass, images: Tensor) -> None:
        """Measure the joint batch of all processes, and the health of this one's, made of these images."""
        rows = [row.detach() for row in (*passed.features, passed.batch.z_a, passed.batch.z_b)]
        f_a, f_b, z_a, z_b = (gather_rows(row, [len(row)] * self.engine.world_size) for row in rows)
        loss, terms = passed.loss.detach(), passed.terms
        values = mean_over_processes(torch.stack([loss, *(term.to(loss) for term in terms.values())]))
        self.loss, *numbers = values.tolist()
        gains = self.learner.gains()
        if self.recorder:
            self.recorder.measure(
                step,
                float(self.times[step]),
                (f_a, f_b),
                (z_a, z_b),
                dict(zip(terms, numbers, strict=True)),
                self.images.waited,
                passed,
                images,
                last=step == self.steps,
                loss=self.loss,
                learning_rate=float(self.rates[min(step, self.steps - 1)]),
                **gains,
            )

    def _probe(self, step: int, weights: Weights) -> None:
        """Probe the features as they are, and keep the weights if they are the best so far."""
        if not all_finite(weights):
            return  # the loss will tell
        assert self.recorder is not None
        assert self.probe is not None
        self._tell("probing", step)
        with self.engine.autocast():
            accuracies = self.probe.measure(self.learner.encoder)
        best = self.recorder.add_probes(step, float(self.times[step]), accuracies)
        if best and self.config.checkpoint.best:
            save_best(self.out / CHECKPOINTS, step, weights)

    def _save(self, step: int, weights: Weights, images: list[dict[str, Any]]) -> bool:
        """Write a checkpoint, or return False if a weight is not finite: the last good one stays."""
        if not all_finite(weights):
            return False
        states = {
            "optimizer": self.optimizer.state_dict(),
            "precision": self.engine.state_dict(),
        }
        assert self.recorder is not None, "the leader records"
        self.recorder.writer.flush()  # what a checkpoint relies on is on the disk before it
        checkpoint = Checkpoint(step, weights, states, images, self.recorder.writer.measurements)
        save_checkpoint(self.out / CHECKPOINTS, checkpoint, self.config.checkpoint.keep)
        return True

    def _see(self, step: int, loss: Tensor) -> None:
        """Remember on the device the first step whose loss was not finite, so that no step has to wait."""
        bad = (self._first_bad < 0) & ~torch.isfinite(loss.detach())
        self._first_bad = torch.where(bad, step, self._first_bad)

    def _check_finite(self) -> None:
        first = int(max_over_processes(self._first_bad))
        if first >= 0:
            self._diverged(first, "the loss")

    def _finish(self, state: str, step: int) -> None:
        facts = self.images.joint_facts(gather_objects(self.images.facts()))
        if self.recorder:
            self.recorder.finish(state, step, facts, **self.beginning.facts(), **self.learner.largest_gain())

    def _diverged(self, step: int, what: str) -> NoReturn:
        self._finish("diverged", step)
        kept = on_leader(lambda: find_checkpoints(self.out / CHECKPOINTS))
        raise FloatingPointError(
            f"{what} is not finite at step {step}; "
            + (f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was due before")
            + "; try a smaller --optimizer.lr"
        )

    def _plain(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Images as the encoder takes them, on its device; of pairs those of each side."""
        if not len(images):
            return images
        if isinstance(self.views, PairViews):
            sides = self.views.plain(images)
            return tuple(as_input(side.to(self.engine.device), self.learner.dtype) for side in sides)
        if isinstance(self.views, OwnViews):
            plain = self.views.plain(images)
        else:
            plain = prepare_images(images, self.config)
        return as_input(plain.to(self.engine.device), self.learner.dtype)


def _number_of_steps(config: TrainConfig, steps_per_epoch: int | None) -> int:
    if (config.epochs or config.optimizer.warmup_epochs) and not steps_per_epoch:
        raise ValueError(
            f"{config.data} is a stream whose length is not known; give --steps and"
            " --optimizer.warmup-steps instead of epochs"
        )
    if config.steps is not None:
        return config.steps
    assert config.epochs is not None, "the configuration is resolved first"
    return config.epochs * (steps_per_epoch or 0)
