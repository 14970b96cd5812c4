"""The spectrum of named layers of a model, without touching its training loop."""

import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenstep.machine import is_leader, world_size
from eigenstep.record import read_record
from eigenstep.spectrum._mean import Mean
from eigenstep.spectrum._monitor import SpectrumMonitor
from eigenstep.spectrum.watching._hooks import Hook, follow_steps, in_backward, is_of_training
from eigenstep.spectrum.watching._layers import find_layers, innermost
from eigenstep.spectrum.watching._model_call import CallInProgress
from eigenstep.spectrum.watching._pairing import Views
from eigenstep.spectrum.watching._pooling import Pooling
from eigenstep.spectrum.watching._probe_batch import ProbeBatch
from eigenstep.spectrum.watching._step_health import StepHealth
from eigenstep.spectrum.watching._watched_layer import WatchedLayer

# After so many steps a layer that gave nothing is told, and after so many outputs that no step has come.
STEPS_OF_SILENCE, OUTPUTS_WITHOUT_A_STEP = 3, 4096
# Measurements from which on a run's likeliest fault is said when its watch is closed.
ENOUGH_TO_SAY = 5
# Those that have not been closed.
_open: "weakref.WeakSet[Watch]" = weakref.WeakSet()


def watch(
    model: nn.Module,
    layers: str | Iterable[str],
    out: str | Path,
    *,
    optimizer: Optimizer | None = None,
    views: int | tuple[int, int] | None = None,
    calls: int | None = None,
    per_call: int | tuple[int, ...] | None = None,
    pool: Callable[..., Tensor] | None = None,
    layout: str | Mapping[str, str] | None = None,
    probe: Tensor | Callable[[nn.Module], Any] | None = None,
    scaler: Any = None,
    **options: Any,
) -> "Watch":
    """Record the spectrum of what a model's layers give in its training, from forward hooks alone.

    The optimiser marks the steps: whenever one that holds parameters of the model steps, what the layers gave
    since its last step is one step's embeddings, and its learning rate adds to the record's time. Forward
    passes in evaluation mode or under `torch.no_grad`, exports, traces and transforms (`vmap`) are passed
    over, and so is what activation checkpointing computes again. Several micro-batches a step (gradient
    accumulation) are joined.

    A mistake in the call raises an error before the first step is over, and leaves no hook. After that
    nothing here ends the training: if something cannot be measured or written, one warning says so, and it is
    left out.

    Parameters
    ----------
    model : nn.Module
        May be wrapped by DistributedDataParallel, or by torch.compile if it has not run yet. Its copies and
        its pickles are not watched.
    layers : str | Iterable[str]
        Names as in `model.named_modules()`.
    out : str | Path
        The run folder; of several layers each gets a folder in it, named as the layer.
    optimizer : Optimizer | None
        Whose steps count; by default any that holds a parameter of the model.
    views : int | tuple[int, int] | None
        None: two calls of a layer with one shape are two views, a single call is one; 1: each call is a batch
        of its own; 2 or more: each call holds that many views one after the other, and the first two are
        taken; (i, j): of the calls of a micro-batch, counted from 0, these two are the views, and the others,
        such as further crops, are passed over. What None took for views is told once where there was more
        than one way, and stands in the record.
    calls : int | None
        How many calls of a layer make a micro-batch; by default all those of a step.
    per_call : int | tuple[int, ...] | None
        How many views a call holds one after the other, where (i, j) are numbers of views and not of calls:
        8 of each call, or (2, 6) of a micro-batch's first call and of its second.
    pool : Callable[..., Tensor] | None
        Makes embeddings (n, d) of a layer's output; if it has a parameter `attention_mask` it is given which
        tokens are no padding, (n, t) of bool, or None.
    layout : str | Mapping[str, str] | None
        The axes of a layer's output, such as "nchw", "nhwc", "ntc", "tnc", "nct": n for the samples, c for
        the dimensions; all other axes are averaged over. Or a layout for each layer. By default it is found
        by the types and sizes of the model's layers, and stands in the record. Tokens that the model's
        `attention_mask` marks as padding are left out of the mean.
    probe : Tensor | Callable[[nn.Module], Any] | None
        A fixed batch for the model, or a function that is given the model and passes one; evaluated at each
        measurement in evaluation mode, its principal projections are recorded.
    scaler : torch.amp.GradScaler | None
        Of a loop in float16, for the record to hold its scale.
    options
        Of `SpectrumMonitor`: every, center, form, planned_steps, resume, ...; and for the values told to
        `log` to be placed between chance and the floor, the loss: loss="ntxent", temperature=0.5.

    Raises
    ------
    ValueError
        For a layer that the model does not have, and for settings that cannot be. From the loop's first step:
        if what a layer gives are no embeddings, or nothing tells which of its axes are which.
    TypeError
        For an `optimizer` that is not one. From the loop's first step: if a layer does not give a tensor.

    Examples
    --------
    >>> import tempfile
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with watch(model, ["2"], tempfile.mkdtemp(), every=2) as watched:
    ...     for _ in range(4):
    ...         loss = (model(torch.randn(32, 8)) - model(torch.randn(32, 8))).square().mean()
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         watched.log(loss=loss)
    ...         optimizer.step()
    >>> watched.monitors["2"].step
    4
    """
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"expected optimizer to be a torch.optim.Optimizer, got {type(optimizer).__name__}")
    watched = Watch(
        *(model, layers, out),
        views=views,
        calls=calls,
        per_call=per_call,
        pool=pool,
        layout=layout,
        probe=probe,
        **options,
    )
    watched.follow(optimizer, scaler)
    return watched


class Watch:
    """What `watch` returns: the monitors of a model's layers, and the hooks that feed them.

    Made directly, with the arguments of `watch`, it follows no optimiser: then whoever runs the loop calls
    `step` after each of the optimiser's, and `end_batch` after each micro-batch of it.

    Attributes
    ----------
    monitors : dict[str, SpectrumMonitor]
        The `SpectrumMonitor` of each layer, by its name.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: str | Iterable[str],
        out: str | Path,
        *,
        views: int | tuple[int, int] | None = None,
        calls: int | None = None,
        per_call: int | tuple[int, ...] | None = None,
        pool: Callable[..., Tensor] | None = None,
        layout: str | Mapping[str, str] | None = None,
        probe: Tensor | Callable[[nn.Module], Any] | None = None,
        **options: Any,
    ) -> None:
        names = [layers] if isinstance(layers, str) else list(layers)
        found = find_layers(model, names)
        told = Views(views, calls, per_call)
        axes = dict(layout) if isinstance(layout, Mapping) else dict.fromkeys(names, layout)
        if unknown := sorted(set(axes) - set(names)):
            raise ValueError(f"expected layouts of {', '.join(names)}, got one of {', '.join(unknown)}")
        inner = innermost(model)
        poolings = {
            name: Pooling(inner, layer, name, pool=pool, layout=axes.get(name))
            for name, layer in found.items()
        }
        batch = None if probe is None else ProbeBatch(inner, probe)
        folders = {name: Path(out) if len(names) == 1 else Path(out) / name for name in names}
        self._model: nn.Module = model
        for left in [other for other in _open if other._model is model and other._is_in(folders.values())]:
            left.close("interrupted")  # the loop has been left, as when a notebook's cell is run once more
        monitors = {
            name: SpectrumMonitor(
                folders[name],
                layer=name,
                probe=None if batch is None else batch.embeddings_of(found[name], poolings[name]),
                thumbnails=None if batch is None else batch.thumbnails(),
                **options,
            )
            for name in names
        }
        self._layers = {
            name: WatchedLayer(name, poolings[name], told, monitor, StepHealth(inner, found[name], monitor))
            for name, monitor in monitors.items()
        }
        self._losses = Mean()
        self._steps = 0
        self._follows = False
        self._followed: Optimizer | None = None
        self._scaler: Any = None
        self._optimizers: weakref.WeakKeyDictionary[Optimizer, tuple[int, bool]] = weakref.WeakKeyDictionary()
        self._told: set[str] = set()
        self._progress = CallInProgress(inner)
        self._handles: list[Any] = [
            inner.register_forward_pre_hook(Hook(self._progress.begin), with_kwargs=True),
            inner.register_forward_hook(Hook(self._progress.end)),
        ]
        for each in self._layers.values():
            self._handles += each.health.handles
        for name, layer in found.items():
            # Before the one that forgets the model's call, where the layer is the model.
            hook = Hook(self._capture(self._layers[name]))
            self._handles.append(layer.register_forward_hook(hook, with_kwargs=True, prepend=True))
        _open.add(self)

    @property
    def monitors(self) -> dict[str, SpectrumMonitor]:
        return {name: layer.monitor for name, layer in self._layers.items()}

    def follow(self, optimizer: Optimizer | None = None, scaler: Any = None) -> None:
        """Count the steps of this optimiser, or of any that holds a parameter of the model."""
        self._follows, self._followed, self._scaler = True, optimizer, scaler
        self._handles.append(follow_steps(self._before_hook, before=True))
        self._handles.append(follow_steps(self._step_hook, optimizer))

    def log(self, *, loss: Tensor | float) -> None:
        """Tell the step's loss before the optimiser steps; of several in a step the mean is recorded.

        Raises
        ------
        TypeError
            In the first step, for anything but a number.
        """
        try:
            self._losses.add(loss)
        except TypeError as error:
            if not self._steps:
                raise
            self._tell("loss", f"step {self._steps + 1}: no loss is recorded ({error}); training goes on")

    def check(
        self,
        views: Iterable[Any],
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        optimizer: Optimizer | None = None,
        **options: Any,
    ) -> Any:
        """Check the loop before its first step: `eigenstep.check`, of the first watched layer's output.

        The watch sees nothing of it, as copies of its model are not watched.
        """
        from eigenstep import check  # whose room stands above this one

        return check(self._model, views, loss, optimizer, **({"layer": next(iter(self._layers))} | options))

    def advise(
        self,
        views: Iterable[Any] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        optimizer: Optimizer | None = None,
        *,
        layer: str | None = None,
        **options: Any,
    ) -> Any:
        """What is wrong with the training so far, why, and what to do: `eigenstep.advise` of its record.

        Parameters
        ----------
        views, loss, optimizer
            As of `check`, which is made of the model as it is now, and speaks for causes as well; without
            `views` the record alone is asked. By default the optimiser is the one whose steps count.
        layer : str | None
            Which of the watched layers; default: the first.

        Returns
        -------
        Advice
            Of which `print(advice.sentence)` says the likeliest cause; empty where nothing is wrong.
        """
        from eigenstep import advise  # whose room stands above this one

        name = next(iter(self._layers)) if layer is None else layer
        monitor = self.monitors[name]
        monitor.wait()
        known = [each for each, (_, concerned) in self._optimizers.items() if concerned]
        optimizer = optimizer or self._followed or (known[0] if len(known) == 1 else None)
        checked = None if views is None else self.check(views, loss, optimizer, layer=name, **options)
        return advise(monitor.out, checked)

    def end_batch(self) -> None:
        """What the layers gave since the last call is one micro-batch, to be paired as `views` says.

        To be called after its backward pass, in which checkpointing may make calls again.
        """
        for layer in self._layers.values():
            self._try(layer, layer.end_batch)

    def before_update(self, optimizer: Optimizer, scaler: Any = None) -> None:
        """An optimiser is about to step: gradients and weights are seen, if the step is measured.

        `scaler` is the GradScaler of a loop in float16.
        """
        others = [
            each for each, (_, concerned) in self._optimizers.items() if concerned and each is not optimizer
        ]
        for layer in self._layers.values():
            if layer.waits:  # else another optimiser's step has ended this one
                layer.health.before_update(optimizer, others, scaler)

    def step(self, *, learning_rate: float = 1.0) -> None:
        """What the layers gave since the last call is one step; it does not count if there was nothing.

        Of several processes each step counts, as none knows what the layers gave in the others.
        """
        self.end_batch()
        if not math.isfinite(learning_rate):
            self._tell("rate", f"step {self._steps + 1}: a learning rate of {learning_rate} adds no time")
            learning_rate = 0.0
        loss = self._losses.take()
        waiting = world_size() > 1 or any(layer.waits for layer in self._layers.values())
        for layer in self._layers.values() if waiting else ():
            before = layer.monitor.step
            try:
                layer.step(loss, learning_rate)
            except Exception as error:
                self._failed(layer, error)
                if layer.monitor.step == before:
                    layer.monitor.skip(loss=loss, learning_rate=learning_rate)
        self._steps += 1
        for layer in self._layers.values():
            if self._steps >= STEPS_OF_SILENCE and not layer.has_given:
                layer.tell(
                    "silent",
                    f"layer {layer.name!r} gave nothing in {self._steps} steps: it was not called, or only in"
                    " evaluation mode or under torch.no_grad, or in a compiled model that had run before"
                    " it was watched; watch another layer, or put it in training mode",
                )

    def close(self, state: str = "finished") -> None:
        """Remove the hooks, write the summaries, and say if something is wrong with the training, and why.

        `state` is as of `SpectrumMonitor.close`.
        """
        was_open = bool(self._handles)
        if self._handles and not self._steps:
            warnings.warn(
                "nothing was recorded: no optimizer that holds a parameter of the watched model has stepped;"
                " give it as watch(..., optimizer=...), or call the watch's step yourself",
                stacklevel=2,
            )
        silent = [name for name, monitor in self.monitors.items() if not monitor.has_measured]
        if self._handles and self._steps and silent and state == "finished":
            warnings.warn(
                f"nothing was recorded of {', '.join(map(repr, silent))} in {self._steps} steps: the layer"
                " gave nothing, or none was a step at which it is measured; see `every` and `planned_steps`",
                stacklevel=2,
            )
        self._let_go(state)
        if was_open and is_leader():
            self._say_advice()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the loop should hold, by layer."""
        return {name: monitor.state_dict() for name, monitor in self.monitors.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name, monitor in self.monitors.items():
            monitor.load_state_dict(state[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _capture(self, layer: WatchedLayer) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, keywords: dict[str, Any], output: Any) -> None:
            if not module.training or not is_of_training(output):
                return
            call = self._progress.call
            if torch.compiler.is_compiling():
                if torch.is_grad_enabled():
                    self._try(layer, layer.take, output, call, keywords)
            elif not torch.is_grad_enabled():
                if self._progress.is_of_training:
                    layer.expect(call)
            elif in_backward():
                self._try(layer, layer.take_again, output, call, keywords)
            elif layer.count < OUTPUTS_WITHOUT_A_STEP or self._waits_on(layer):
                self._try(layer, layer.take, output, call, keywords)

        return hook

    def _waits_on(self, layer: WatchedLayer) -> bool:
        """Whether a layer that has given so much without a step is still watched."""
        if not self._follows:  # whoever ran the loop has left it, for example by Ctrl-C
            layer.tell(
                "left",
                f"layer {layer.name!r} gave {layer.count} outputs but no optimiser step was seen: it is no"
                " longer watched",
            )
            self._let_go("interrupted")
        elif not self._steps:
            layer.tell(
                "no step",
                f"layer {layer.name!r} gave {layer.count} outputs and no optimizer that holds a parameter"
                " of the watched model has stepped; give it as watch(..., optimizer=...)",
            )
        return self._follows

    def _try(self, layer: WatchedLayer, action: Callable[..., None], *arguments: Any) -> None:
        """Do what takes up a call; where it fails, the step under way is left out."""
        try:
            action(*arguments)
        except Exception as error:
            self._failed(layer, error)
            layer.spoil()

    def _failed(self, layer: WatchedLayer, error: Exception) -> None:
        """In the first step it is a mistake in the call, and raised; later it is told once."""
        if not self._steps:
            self._let_go("interrupted")
            raise error
        layer.tell_of(error, self._steps + 1)

    def _tell(self, kind: str, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(message, stacklevel=3)

    def _let_go(self, state: str) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        _open.discard(self)
        for monitor in self.monitors.values():
            monitor.close(state)

    def _say_advice(self) -> None:
        """The likeliest cause of a bad run, as `eigenstep train` ends with it; nothing of a sound one.

        A trial of a few steps is not judged, unless none of its last embeddings was finite.
        """
        said: dict[str, Path] = {}
        for monitor in self.monitors.values():
            if not monitor.has_measured:
                continue
            try:
                from eigenstep import advise  # whose room stands above this one

                record = read_record(monitor.out)
                if len(record.metrics["step"]) < ENOUGH_TO_SAY and record.metrics["count"][-1]:
                    continue
                found = advise(record)
            except Exception as error:
                self._tell("advice", f"no advice is given on {monitor.out} ({error})")
                continue
            if found.ill:
                said.setdefault(found.sentence, monitor.out)
        for sentence, out in said.items():
            warnings.warn(f"{sentence} (eigenstep advise {out})", stacklevel=3)

    def _is_in(self, folders: Iterable[Path]) -> bool:
        return not {monitor.out for monitor in self.monitors.values()}.isdisjoint(folders)

    def _before_hook(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if optimizer is self._followed or (self._concerns(optimizer) and self._followed is None):
            self.before_update(optimizer, self._scaler)

    def _step_hook(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if optimizer is self._followed or self._concerns(optimizer):
            self.step(learning_rate=float(optimizer.param_groups[0].get("lr", 1.0)))

    def _concerns(self, optimizer: Optimizer) -> bool:
        """Whether an optimiser holds a parameter of the model; looked up again when it has other groups."""
        groups, concerns = self._optimizers.get(optimizer, (0, False))
        if groups != len(optimizer.param_groups):
            own = {id(parameter) for parameter in self._model.parameters()}
            held = (id(parameter) for group in optimizer.param_groups for parameter in group["params"])
            concerns = not own.isdisjoint(held)
            self._optimizers[optimizer] = (len(optimizer.param_groups), concerns)
        return concerns
