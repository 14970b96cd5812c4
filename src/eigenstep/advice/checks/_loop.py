"""A training loop as checks see it: what passes forward, and what is trained."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

from eigenstep.advice.checks._batches import Pair


@dataclass(frozen=True)
class Passed:
    """What a forward pass gave: embeddings of both views, each (n, d), and the loss where there is one."""

    z_a: Tensor
    z_b: Tensor
    loss: Tensor | None


class Loop(Protocol):
    """A model, what it minimises, and what updates it.

    Attributes
    ----------
    model : nn.Module
        The encoder.
    teacher : nn.Module | None
        The copy that follows it, if it has one.
    loss : Callable[..., Any] | None
        Of two embeddings, (z_a, z_b) -> scalar; None where it needs more than these.
    why_no_loss : str
        Why `loss` is None.
    optimizer : Optimizer | None
        Of the model's parameters.
    """

    @property
    def model(self) -> nn.Module: ...
    @property
    def teacher(self) -> nn.Module | None: ...
    @property
    def loss(self) -> Callable[..., Any] | None: ...
    @property
    def why_no_loss(self) -> str: ...
    @property
    def optimizer(self) -> Optimizer | None: ...

    def forward(self, views: Pair, index: int) -> Passed:
        """The pass of a batch in training, the `index`th."""

    def copied(self) -> Self:
        """The same loop on copies of all that a step changes."""


class ForeignLoop:
    """A loop that somebody has written: `loss(model(view_a), model(view_b))`.

    Parameters
    ----------
    layer : str | None
        The module whose output is the embedding, as in `model.named_modules()`; default: the model's own
        output, or of several the last.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor] | None,
        optimizer: Optimizer | None,
        teacher: nn.Module | None,
        layer: str | None,
    ) -> None:
        self.model = _unwrapped(model)
        self.loss, self.optimizer, self.layer = loss, optimizer, layer
        self.why_no_loss = "no loss was given"
        self.teacher = teacher
        if layer is not None and layer not in dict(self.model.named_modules()):
            raise ValueError(f"layer: expected one of model.named_modules(), got {layer!r}")

    def forward(self, views: Pair, index: int) -> Passed:
        z_a, z_b = (self._embed(view) for view in views)
        return Passed(z_a, z_b, None if self.loss is None else self.loss(z_a, z_b))

    def copied(self) -> Self:
        return copy.deepcopy(self)

    def _embed(self, view: Tensor) -> Tensor:
        found: list[Any] = []
        if self.layer is None:
            found.append(self.model(view))
        else:
            layer = self.model.get_submodule(self.layer)
            handle = layer.register_forward_hook(lambda module, given, output: found.append(output))
            try:
                self.model(view)
            finally:
                handle.remove()
        output = found[-1] if found else None
        if isinstance(output, Mapping):
            output = list(output.values())
        if isinstance(output, tuple | list) and output:
            output = output[-1]
        if not isinstance(output, Tensor) or output.ndim != 2:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            where = f"layer {self.layer!r}" if self.layer else "the model"
            raise ValueError(
                f"expected embeddings (n, d), {where} gave {shape}; name the module that gives them by layer="
            )
        return output


def _unwrapped(model: nn.Module) -> nn.Module:
    """The module itself: of several processes a copy of the wrapper would share its buckets."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    return model.module if isinstance(model, DistributedDataParallel | DataParallel) else model


def device_of(module: nn.Module) -> torch.device:
    return next((each.device for each in module.parameters()), torch.device("cpu"))
