"""The spectrum of named layers of a model, without touching its training loop."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from eigenstep.spectrum._layers import as_embeddings, find_layers
from eigenstep.spectrum._monitor import SpectrumMonitor

# After so many steps a layer that gave nothing is a mistake.
PATIENCE = 3


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
    Forward passes in evaluation mode or under `torch.no_grad` are passed over. Several micro-batches a step
    (gradient accumulation) are joined.

    Parameters
    ----------
    model : may be wrapped by DistributedDataParallel or torch.compile
    layers : names as in `model.named_modules()`
    out : the run folder; for several layers each gets a folder in it, named as the layer
    optimizer : whose steps count; by default any that holds a parameter of the model
    views : None: two calls of a layer with one shape are two views, a single call is one; 1: each call is a
        batch of its own; 2 or more: each call holds that many views one after the other, and the first two
        are taken
    pool : makes embeddings (n, d) of a layer's output; by default feature maps (n, c, h, w) are averaged
        over positions and sequences (n, t, c) over tokens
    probe : a fixed batch for the model, or a function that is given the model and passes one; evaluated at
        each measurement in evaluation mode, its principal projections are recorded
    options : of `SpectrumMonitor`: every, center, form, planned_steps, resume, ...

    Raises ValueError for a layer that the model does not have.

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
    return Watch(model, layers, out, optimizer=optimizer, views=views, pool=pool, probe=probe, **options)


class Watch:
    """What `watch` returns: `monitors` by layer, the hooks, and their removal."""

    def __init__(
        self,
        model: nn.Module,
        layers: str | Iterable[str],
        out: str | Path,
        *,
        optimizer: Optimizer | None = None,
        views: int | None = None,
        pool: Callable[[Any], Tensor] | None = None,
        probe: Tensor | Callable[[nn.Module], Any] | None = None,
        **options: Any,
    ) -> None:
        names = [layers] if isinstance(layers, str) else list(layers)
        found = find_layers(model, names)
        self.monitors = {
            name: SpectrumMonitor(Path(out) if len(names) == 1 else Path(out) / name, layer=name, **options)
            for name in names
        }
        self.views = views
        self.pool = pool
        self._model = model
        self._loss: Tensor | float = math.nan
        self._given: dict[str, list[Tensor]] = {name: [] for name in names}
        self._parameters = {id(parameter) for parameter in model.parameters()}
        hook = self._step_hook
        self._handles: list[Any] = [
            module.register_forward_hook(self._capture(name)) for name, module in found.items()
        ]
        self._handles.append(
            optimizer.register_step_post_hook(hook) if optimizer else register_optimizer_step_post_hook(hook)
        )

    def log(self, *, loss: Tensor | float) -> None:
        """Tell the step's loss, before the optimiser steps."""
        self._loss = loss.detach() if isinstance(loss, Tensor) else loss

    def close(self, state: str = "finished") -> None:
        """Remove the hooks and write the summaries."""
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
            if module.training and torch.is_grad_enabled():
                pooled = self.pool(output) if self.pool else output
                self._given[name].append(as_embeddings(pooled, name))

        return hook

    def _step_hook(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        held = (id(parameter) for group in optimizer.param_groups for parameter in group["params"])
        if self._parameters.isdisjoint(held) or not any(self._given.values()):
            return
        rate = float(optimizer.param_groups[0]["lr"])
        for name, monitor in self.monitors.items():
            outputs, self._given[name] = self._given[name], []
            if outputs:
                monitor.update(*paired(outputs, self.views), loss=self._loss, learning_rate=rate)
        self._loss = math.nan


def paired(outputs: list[Tensor], views: int | None) -> tuple[Tensor, Tensor | None]:
    """A step's outputs of one layer as one view or two."""
    if views is not None and views > 1:
        halves = [output.chunk(views) for output in outputs]
        return torch.cat([half[0] for half in halves]), torch.cat([half[1] for half in halves])
    shapes = [output.shape for output in outputs]
    if views is None and len(outputs) % 2 == 0 and shapes[::2] == shapes[1::2]:
        return torch.cat(outputs[::2]), torch.cat(outputs[1::2])
    return torch.cat(outputs), None
