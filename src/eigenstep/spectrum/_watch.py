"""The spectrum of named layers of a model, without touching its training loop."""

import math
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from eigenstep.spectrum._layers import ProbeBatch, as_embeddings, find_layers, join_batches, pair_outputs
from eigenstep.spectrum._monitor import SpectrumMonitor

# After so many steps a layer that gave nothing is a mistake, and after so many outputs a step is overdue.
STEPS_OF_SILENCE, OUTPUTS_OF_A_STEP = 3, 512


def watch(
    model: nn.Module,
    layers: str | Iterable[str],
    out: str | Path,
    *,
    optimizer: Optimizer | None = None,
    views: int | None = None,
    pool: Callable[[Any], Tensor] | None = None,
    probe: Tensor | Callable[[nn.Module], Any] | None = None,
    **options: Any,
) -> "Watch":
    """Record the spectrum of what a model's layers give in its training, from forward hooks alone.

    A step is told by the optimiser: whenever one that holds parameters of the model steps, what the layers
    gave since its last step is one step's embeddings, and its learning rate adds to the record's time.
    Forward passes in evaluation mode or under `torch.no_grad` are passed over, and so is what activation
    checkpointing computes again. Several micro-batches a step (gradient accumulation) are joined.

    Parameters
    ----------
    model : nn.Module
        May be wrapped by DistributedDataParallel, or by torch.compile if it has not run yet.
    layers : str | Iterable[str]
        Names as in `model.named_modules()`.
    out : str | Path
        The run folder; of several layers each gets a folder in it, named as the layer.
    optimizer : Optimizer | None
        Whose steps count; by default any that holds a parameter of the model.
    views : int | None
        None: two calls of a layer with one shape are two views, a single call is one; 1: each call is a batch
        of its own; 2 or more: each call holds that many views one after the other, and the first two are
        taken.
    pool : Callable[[Any], Tensor] | None
        Makes embeddings (n, d) of a layer's output; by default feature maps (n, c, h, w) are averaged over
        positions and sequences (n, t, c) over tokens.
    probe : Tensor | Callable[[nn.Module], Any] | None
        a fixed batch for the model, or a function that is given the model and passes one; evaluated at each
        measurement in evaluation mode, its principal projections are recorded.
    options
        Of `SpectrumMonitor`: every, center, form, planned_steps, resume, ...

    Raises
    ------
    ValueError
        For a layer that the model does not have.
    TypeError
        For an optimiser that is none; then, from the loop.
    RuntimeError
        If a layer gives nothing or no optimiser steps.
    TypeError, ValueError
        If what it gives are no embeddings.

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
    watched = Watch(model, layers, out, views=views, pool=pool, probe=probe, **options)
    watched.follow(optimizer)
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
        views: int | None = None,
        pool: Callable[[Any], Tensor] | None = None,
        probe: Tensor | Callable[[nn.Module], Any] | None = None,
        **options: Any,
    ) -> None:
        if views is not None and views < 1:
            raise ValueError(f"expected views to be None, 1 or more, got {views}")
        names = [layers] if isinstance(layers, str) else list(layers)
        found = find_layers(model, names)
        self._probe = None if probe is None else ProbeBatch(model, probe)
        self.monitors: dict[str, SpectrumMonitor] = {}
        for name in names:
            folder = Path(out) if len(names) == 1 else Path(out) / name
            embeddings = None if self._probe is None else self._probe.embeddings_of(name, found[name], pool)
            thumbnails = None if self._probe is None else self._probe.thumbnails()
            self.monitors[name] = SpectrumMonitor(
                folder, layer=name, probe=embeddings, thumbnails=thumbnails, **options
            )
        self._model = model
        self._views = views
        self._pool = pool
        self._losses: list[Tensor | float] = []
        self._given: dict[str, list[Tensor]] = {name: [] for name in names}
        self._batches: dict[str, list[tuple[Tensor, Tensor | None]]] = {name: [] for name in names}
        self._forward: set[str] = set()
        self._paired: dict[str, bool] = {}
        self._steps = 0
        self._follows = False
        self._handles: list[Any] = [
            module.register_forward_hook(self._capture(name)) for name, module in found.items()
        ]

    def follow(self, optimizer: Optimizer | None = None) -> None:
        """Count the steps of this optimiser, or of any that holds a parameter of the model."""
        hook, self._follows = self._step_hook, True
        self._handles.append(
            register_optimizer_step_post_hook(hook)
            if optimizer is None
            else optimizer.register_step_post_hook(hook)
        )

    def log(self, *, loss: Tensor | float) -> None:
        """Tell the step's loss before the optimiser steps; of several in a step the mean is recorded."""
        self._losses.append(loss.detach() if isinstance(loss, Tensor) else loss)

    def end_batch(self) -> None:
        """What the layers gave since the last call is one micro-batch, to be paired as `views` says."""
        for name, outputs in self._given.items():
            if outputs:
                self._batches[name].append(pair_outputs(outputs, self._views, name))
                self._given[name] = []
        self._forward.clear()

    def step(self, *, learning_rate: float = 1.0) -> None:
        """What the layers gave since the last call is one step; it does not count if there was nothing."""
        self.end_batch()
        loss = sum(self._losses) / len(self._losses) if self._losses else math.nan
        self._losses = []
        self._steps += 1
        given, self._batches = self._batches, {name: [] for name in self.monitors}
        for name, monitor in self.monitors.items():
            if given[name]:
                self._update(name, *join_batches(given[name]), loss, learning_rate)
            elif self._steps >= STEPS_OF_SILENCE and name not in self._paired:
                raise RuntimeError(
                    f"layer {name!r} gave nothing in {self._steps} steps: it was not called, or only in"
                    " evaluation mode or under torch.no_grad, or in a compiled model that had run before"
                    " it was watched; watch another layer, or put it in training mode"
                )
            elif any(given.values()):
                monitor.skip(loss=loss, learning_rate=learning_rate)

    def close(self, state: str = "finished") -> None:
        """Remove the hooks and write the summaries; `state` as of `SpectrumMonitor.close`."""
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
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for monitor in self.monitors.values():
            monitor.close(state)

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

    def _capture(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not module.training or not torch.is_grad_enabled():
                return
            # Computed again in the backward pass: new only if the first time was without gradients.
            if not _in_backward():
                self._forward.add(name)
            elif name in self._forward:
                return
            given = self._given[name]
            if len(given) >= OUTPUTS_OF_A_STEP and not self._follows:
                self._let_go(name)
                return
            if len(given) >= OUTPUTS_OF_A_STEP:
                raise RuntimeError(
                    f"layer {name!r} gave {OUTPUTS_OF_A_STEP} outputs and no optimizer that holds a parameter"
                    " of the watched model has stepped; give it as watch(..., optimizer=...)"
                )
            given.append(as_embeddings(self._pool(output) if self._pool else output, name))

        return hook

    def _let_go(self, name: str) -> None:
        """Whoever ran the loop has left it, for example by Ctrl-C, and uses the model for something else."""
        warnings.warn(
            f"layer {name!r} gave {OUTPUTS_OF_A_STEP} outputs and no step was told of: it is no longer"
            " watched",
            stacklevel=4,
        )
        self.close("interrupted")

    def _update(
        self, name: str, z_a: Tensor, z_b: Tensor | None, loss: Tensor | float, learning_rate: float
    ) -> None:
        monitor, paired = self.monitors[name], self._paired.setdefault(name, z_b is not None)
        if z_b is not None and not paired:
            z_a, z_b = torch.cat([z_a, z_b]), None
        if paired and z_b is None:
            warnings.warn(
                f"step {monitor.step + 1}: layer {name!r} gave no pairs of views as before; the step is"
                " left out. If its calls are not two views of the same samples, say so: views=1",
                stacklevel=2,
            )
            monitor.skip(loss=loss, learning_rate=learning_rate)
            return
        monitor.update(z_a, z_b, loss=loss, learning_rate=learning_rate)

    def _step_hook(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        own = {id(parameter) for parameter in self._model.parameters()}
        held = (id(parameter) for group in optimizer.param_groups for parameter in group["params"])
        if not own.isdisjoint(held):
            self.step(learning_rate=float(optimizer.param_groups[0].get("lr", 1.0)))


def _in_backward() -> bool:
    """Whether the backward pass is under way: what is computed then, checkpointing computes again.

    Compiled code recomputes on its own, without hooks.
    """
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
