"""The spectrum monitor in Hugging Face's Trainer."""

import io
import sys
import warnings
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from eigenstep.integrations._recording import Recording
from eigenstep.record import atomic_write
from eigenstep.spectrum import Hook

# In the Trainer's checkpoints, beside its own files.
STATE_NAME = "eigenstep.pt"
# Callbacks whose training has begun and not ended.
_at_work: "weakref.WeakSet[SpectrumCallback]" = weakref.WeakSet()


class SpectrumCallback(TrainerCallback):
    """Record the spectrum of a layer's embeddings while a `transformers.Trainer` trains.

    A step is one of the optimiser's, in any precision, with gradient accumulation, in one process or several.
    Whenever the Trainer logs, the newest measures and leading eigenvalues follow as `spectrum/...`, to
    whatever it reports to. A run that is resumed from a checkpoint goes on in its record, from that step.

    Parameters
    ----------
    layer : str | Iterable[str]
        Name of the module that gives the embeddings, as in `model.named_modules()`; or several.
    out : str | Path | None
        The run folder; by default `eigenstep` in the Trainer's `output_dir`.
    log : bool
        Whether values go to where the Trainer reports to.
    options
        As of `eigenstep.watch`: every, views, calls, per_call, pool, probe, center, form, ...

    Attributes
    ----------
    out : str | Path | None
        The run folder; None before training has begun.

    Notes
    -----
    Raises, when training begins, ValueError for a layer that the model does not have, and FileExistsError if
    `out` holds a record that is not gone on with.

    Examples
    --------
    >>> callback = SpectrumCallback(layer="projection_head", every=20)
    """

    def __init__(
        self, layer: str | Iterable[str], out: str | Path | None = None, *, log: bool = True, **options: Any
    ) -> None:
        self._recording = Recording(layer, out, options)
        self._log_values = log
        self._trainer: Trainer | None = None
        self._losses = _ModelLoss()
        self._learning_rate = 0.0

    @property
    def out(self) -> Path | None:
        return self._recording.folder

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        saved = _state_file(args, state)
        if state.global_step and saved.is_file():
            try:
                self._recording.load(torch.load(saved, map_location="cpu", weights_only=True))
            except Exception as error:  # whatever a damaged file brings
                reason = str(error).partition("\n")[0]
                warnings.warn(
                    f"{saved} cannot be read ({reason}): the record begins anew, in another folder",
                    stacklevel=2,
                )
        self._trainer = _calling_trainer()
        for other in [each for each in _at_work if each._trainer is not self._trainer]:
            other._end_if_left(model)
        self._recording.begin(model, Path(args.output_dir) / "eigenstep", state.global_step, state.max_steps)
        self._losses.follow(model)
        _at_work.add(self)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._recording.end_batch(self._losses.take(self._trainer))

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any
    ) -> None:
        self._learning_rate = float(optimizer.param_groups[0]["lr"])
        scaler = getattr(getattr(self._trainer, "accelerator", None), "scaler", None)
        self._recording.before_update(getattr(optimizer, "optimizer", optimizer), scaler)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._recording.end_batch(self._losses.take(self._trainer))
        self._recording.step(self._learning_rate, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._trainer is not None and self._log_values:
            self._recording.wait()
            for _, values in self._recording.news():  # none if it is these that are logged
                self._trainer.log(values)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        saved, content = _state_file(args, state), io.BytesIO()
        if state.is_world_process_zero and saved.parent.is_dir():
            torch.save(self._recording.state(), content)
            atomic_write(saved, content.getvalue())

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._end("finished")

    def _end_if_left(self, model: Any) -> None:
        """Another Trainer trains the model now: this one ended by an exception, which it does not tell."""
        if self._losses.model is model:
            self._end("interrupted")

    def _end(self, how: str) -> None:
        self._recording.end(how)
        self._losses.forget()
        self._trainer = None
        _at_work.discard(self)


class _ModelLoss:
    """The loss that a model gives with its output: the Trainer tells its callbacks only means of it.

    Attributes
    ----------
    model
        Whose loss it is.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self._handle: Any = None
        self._loss: Tensor | None = None
        self._is_share = False

    def follow(self, model: Any) -> None:
        self.forget()
        self.model = model
        self._handle = model.register_forward_hook(Hook(self._note), with_kwargs=True)

    def forget(self) -> None:
        if self._handle is not None:
            self._handle.remove()
        self.model = self._handle = self._loss = None

    def take(self, trainer: Trainer | None) -> Tensor | None:
        """The loss of the micro-batch that is over, as a mean over it."""
        loss, self._loss = self._loss, None
        if loss is not None and self._is_share:
            # It was divided by the items of all micro-batches of the step; the mean over these is recorded.
            return loss * getattr(trainer, "current_gradient_accumulation_steps", 1)
        return loss

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _note(self, model: Any, inputs: Any, keywords: Mapping[str, Any], output: Any) -> None:
        loss = output.get("loss") if isinstance(output, Mapping) else None
        if isinstance(output, tuple) and output:
            loss = output[0]
        if model.training and isinstance(loss, Tensor) and loss.numel() == 1:
            self._loss = loss.detach()
            self._is_share = keywords.get("num_items_in_batch") is not None


def _state_file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}" / STATE_NAME


def _calling_trainer() -> Trainer | None:
    """The Trainer that runs this callback; it hands its callbacks everything but itself."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if isinstance(found := frame.f_locals.get("self"), Trainer):
            return found
        frame = frame.f_back
    return None
