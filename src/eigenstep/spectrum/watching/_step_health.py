"""What a watched layer's steps show of health: views, features, gradients and updates."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenstep.machine import is_leader
from eigenstep.spectrum._monitor import SpectrumMonitor
from eigenstep.spectrum.health import (
    BeforeUpdate,
    are_images,
    of_features,
    of_update,
    of_views,
    see_before_update,
    share_distinct,
    share_evaluating,
    some_pixels,
)
from eigenstep.spectrum.watching._hooks import Hook, in_backward, is_of_training
from eigenstep.spectrum.watching._pairing import Batch, join
from eigenstep.spectrum.watching._parts import find_parts

# Makes pairs of what calls gave, as those of the layer's own outputs are paired.
PairUp = Callable[[list[Tensor]], Batch]


class StepHealth:
    """Looks at the first step and those that are measured, in the process that writes; at others at nothing.

    What cannot be told is left out: of a compiled model views and features, of views and features those whose
    calls are not the layer's. Nothing here raises; the first thing that fails is told, and ends it.
    """

    def __init__(self, model: nn.Module, layer: nn.Module, monitor: SpectrumMonitor) -> None:
        self.parts = find_parts(model, layer)
        monitor.settings = replace(
            monitor.settings, parts={name: list(part) for name, part in self.parts.modules.items()}
        )
        self.handles: list[Any] = []
        self._monitor = monitor
        self._views: list[Tensor] = []
        self._features: list[Tensor] = []
        self._pairs: dict[str, list[Batch]] = {"views": [], "features": []}
        self._batches, self._last = 0, dict.fromkeys(self._pairs, 0)
        self._before: BeforeUpdate | None = None
        self._scaler: Any = None
        self._ended = False
        self._are_images = False
        self._follow(self.parts.stem, self._keep_view)
        self._follow(self.parts.features, lambda given: self._features.append(given.detach().clone()))

    @property
    def is_due(self) -> bool:
        """Whether the step under way will be measured, or is the first."""
        monitor = self._monitor
        due = not monitor.step or monitor.settings.is_due(monitor.step + 1, monitor.dim or 1)
        return due and not self._ended and is_leader()

    def layer_called(self) -> None:
        """The layer gives its output now; what backbones are given later, as for a probe, is of no view."""
        self._last = {"views": len(self._views), "features": len(self._features)}

    def end_batch(self, rows: Sequence[int], pair_up: PairUp) -> None:
        """A micro-batch is over, in which the layer's calls gave so many rows each."""
        given = {"views": self._views, "features": self._features}
        given = {name: calls[: self._last[name]] for name, calls in given.items()}
        self._views, self._features, self._last = [], [], dict.fromkeys(given, 0)
        if self.is_due:
            self._quietly(self._pair, rows, pair_up, given)

    def before_update(self, optimizer: Optimizer, others: Iterable[Optimizer], scaler: Any = None) -> None:
        """An optimiser is about to step; `others` are known to hold weights of the model as well."""
        if self._monitor.settings.optimizer is None and not self._ended:
            self._quietly(self._note, optimizer)
        if self.is_due and self._before is None:
            self._scaler = scaler
            self._quietly(self._see, optimizer, others)

    def take(self) -> dict[str, Tensor | float]:
        """What the step showed that is over now."""
        found: dict[str, Tensor | float] = {}
        if self.is_due:
            self._quietly(self._add_to, found)
        self._before, self._batches, self._views, self._features = None, 0, [], []
        self._pairs = {"views": [], "features": []}
        return found

    def _follow(self, module: nn.Module | None, keep: Callable[[Tensor], None]) -> None:
        """Keep what a module is given in training, at steps that are due."""

        def see(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if torch.compiler.is_compiling() or not module.training or not self.is_due or in_backward():
                return
            given = inputs[0] if inputs else None
            of_numbers = isinstance(given, Tensor) and given.is_floating_point() and given.ndim > 1
            if of_numbers and is_of_training(given):
                self._quietly(keep, given)

        if module is not None:
            self.handles.append(module.register_forward_pre_hook(Hook(see)))

    def _keep_view(self, given: Tensor) -> None:
        self._are_images = are_images(given)
        self._views.append(some_pixels(given).clone())

    def _pair(self, rows: Sequence[int], pair_up: PairUp, given: dict[str, list[Tensor]]) -> None:
        self._batches += 1
        for name, calls in given.items():
            if [len(each) for each in calls] == list(rows) and (name == "views" or calls[0].ndim == 2):
                with suppress(RuntimeError):  # crops of several sizes, of which no two were said to be meant
                    self._pairs[name].append(pair_up(calls))

    def _note(self, optimizer: Optimizer) -> None:
        self._monitor.settings = replace(self._monitor.settings, optimizer=_facts(optimizer))

    def _see(self, optimizer: Optimizer, others: Iterable[Optimizer]) -> None:
        held, elsewhere = _held(optimizer), {each for other in others for each in _held(other)}
        parts = {
            name: weights
            for name, weights in self.parts.weights.items()
            # What another one moves is still here; in the first step it is not known whether there is one.
            if (own := {id(each) for each in weights}) & held or (self._monitor.step and not own & elsewhere)
        }
        scale = getattr(optimizer, "grad_scale", None)  # of a GradScaler, where the step itself unscales
        self._before = see_before_update(parts, 1.0 if scale is None else scale)

    def _add_to(self, found: dict[str, Tensor | float]) -> None:
        with torch.no_grad():
            if views := self._joined("views"):
                found |= of_views(*views) | {"images_distinct": share_distinct(views[0])}
                found["views_are_images"] = self._are_images
            if features := self._joined("features"):
                found |= of_features(*features)
        tops = [module for part in self.parts.modules.values() for module in part.values()]
        if (evaluating := share_evaluating(each for top in tops for each in top.modules())) is not None:
            found["norms_evaluating"] = evaluating
        if self._scaler is not None:
            found["loss_scale"] = float(self._scaler.get_scale())
        if self._before is not None:
            found |= of_update(self.parts.weights, self._before)

    def _joined(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Both views of a step, from its micro-batches; None unless all of them are known."""
        pairs = self._pairs[name]
        a, b = join(pairs) if pairs and len(pairs) == self._batches else (None, None)
        return None if a is None or b is None else (a, b)

    def _quietly(self, action: Callable[..., None], *given: Any) -> None:
        try:
            action(*given)
        except Exception as error:
            self._ended = True
            warnings.warn(
                f"step {self._monitor.step + 1}: no more signs of health are recorded of layer"
                f" {self._monitor.settings.layer!r} ({type(error).__name__}: {error}); training goes on",
                stacklevel=2,
            )


def _facts(optimizer: Optimizer) -> dict[str, Any]:
    """What the record says of an optimiser: its class, and of its first group the usual numbers."""
    group = optimizer.param_groups[0]
    told = {"lr": group.get("initial_lr", group.get("lr"))}
    told |= {name: group.get(name) for name in ("momentum", "weight_decay")}
    numbers = {name: float(value) for name, value in told.items() if isinstance(value, int | float | Tensor)}
    return {"name": type(optimizer).__name__, **numbers}


def _held(optimizer: Optimizer) -> set[int]:
    return {id(each) for group in optimizer.param_groups for each in group["params"]}
