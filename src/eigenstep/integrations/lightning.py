"""The spectrum monitor in PyTorch Lightning."""

import importlib.util
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigenstep.integrations._recording import Recording

PACKAGES = ("pytorch_lightning", "lightning.pytorch")


def _callback_classes() -> list[type]:
    """`Callback` of those of Lightning's two packages that the program uses, or else of an installed one."""
    in_use = [name for name in PACKAGES if sys.modules.get(name)]
    installed = [name for name in PACKAGES if importlib.util.find_spec(name.split(".")[0])]
    if not in_use and not installed:
        raise ModuleNotFoundError("SpectrumCallback needs Lightning: pip install lightning")
    return [importlib.import_module(name).Callback for name in in_use or installed[:1]]


class SpectrumCallback(*_callback_classes()):  # type: ignore[misc]
    """Record the spectrum of a layer's embeddings while Lightning trains, and send it to the loggers.

    For any LightningModule: automatic or manual optimisation, any precision, gradient accumulation, one
    process or several. A step is a batch on which an optimiser stepped. Measures and leading eigenvalues go
    to the trainer's loggers as `spectrum/...`, and to `callback_metrics` for `EarlyStopping` and
    `ModelCheckpoint`. A run that is resumed by `ckpt_path` goes on in its record, from the checkpoint's step.

    Parameters
    ----------
    layer : str | Iterable[str]
        Name of the module that gives the embeddings, as in `model.named_modules()`; or several.
    out : str | Path | None
        The run folder; by default `eigenstep` beside the `checkpoints` of Lightning.
    log : bool
        Whether values go to the loggers.
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
        super().__init__()
        self._recording = Recording(layer, out, options)
        self._log_values = log
        self._learning_rate: float | None = None
        self._logged_step = 0

    @property
    def out(self) -> Path | None:
        return self._recording.folder

    @property
    def state_key(self) -> str:
        return f"{type(self).__qualname__}[{', '.join(self._recording.layers)}]"

    def state_dict(self) -> dict[str, Any]:
        return self._recording.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._recording.load(state_dict)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        steps = trainer.estimated_stepping_batches
        planned = int(steps) if 0 < steps < math.inf else None
        self._recording.begin(pl_module, _run_folder(trainer) / "eigenstep", trainer.global_step, planned)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._learning_rate = None

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if self._learning_rate is None:  # of several optimisers the first one's counts
            self._learning_rate = float(optimizer.param_groups[0]["lr"])
        plugin = getattr(trainer, "precision_plugin", None)
        self._recording.before_update(optimizer, getattr(plugin, "scaler", None))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._recording.end_batch(_loss(outputs, trainer, pl_module))
        if self._learning_rate is not None:
            self._recording.step(self._learning_rate, trainer.global_step)
            # The axis of what Lightning itself logs; its own callbacks take it from here too.
            self._logged_step = trainer.fit_loop.epoch_loop._batches_that_stepped
            if trainer.is_global_zero:
                self._tell(trainer)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._tell_all(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell_all(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._tell_all(trainer)
        self._recording.end("finished")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._recording.end("interrupted")

    def _tell_all(self, trainer: Any) -> None:
        """In every process, as `EarlyStopping` asks in each; at a step only where the values are at hand."""
        self._recording.wait()
        self._tell(trainer)

    def _tell(self, trainer: Any) -> None:
        for steps_ago, values in self._recording.news():
            metrics = {name: torch.tensor(value) for name, value in values.items()}
            trainer.callback_metrics.update(metrics)
            if self._log_values and trainer.is_global_zero:
                for logger in trainer.loggers:
                    logger.log_metrics(values, step=self._logged_step - steps_ago)


def _run_folder(trainer: Any) -> Path:
    """Where Lightning puts its folder `checkpoints`."""
    if not trainer.loggers:
        return Path(trainer.default_root_dir)
    logger = trainer.loggers[0]
    version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
    return Path(logger.save_dir or trainer.default_root_dir) / str(logger.name) / version


def _loss(outputs: Any, trainer: Any, pl_module: Any) -> Tensor | None:
    """What `training_step` gave; in automatic optimisation Lightning has divided it for accumulation."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        return None
    return loss * trainer.accumulate_grad_batches if pl_module.automatic_optimization else loss
