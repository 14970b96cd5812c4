"""A module's forward at other tensors than its own, and the module as it was after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class StatelessForward:
    """A module's forward with other tensors in the places of its parameters and buffers.

    Places are found by the tensor that lies there: one that has several names, because it is shared or its
    module is registered twice, is replaced in all of them. `torch.func.functional_call` goes from name to
    name, and leaves a module that has two with the tensors of the call in place of its parameters.

    Parameters
    ----------
    model : nn.Module
        The module.

    Attributes
    ----------
    parameters, buffers : dict[str, Tensor]
        The module's own, each once, by the first of its names.

    Examples
    --------
    >>> import torch
    >>> model = nn.Linear(1, 1)
    >>> own = model.weight
    >>> forward = StatelessForward(model)
    >>> forward({"weight": torch.full((1, 1), 2.0), "bias": torch.ones(1)}, torch.full((1, 1), 3.0))
    tensor([[7.]])
    >>> model.weight is own
    True
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.parameters: dict[str, Tensor] = dict(model.named_parameters())
        names = {id(tensor): name for name, tensor in self.parameters.items()}
        self.buffers = {name: tensor for name, tensor in model.named_buffers() if id(tensor) not in names}
        names |= {id(tensor): name for name, tensor in self.buffers.items()}
        self._places = [
            (module, kind, {key: names[id(tensor)] for key, tensor in held.items() if tensor is not None})
            for module in model.modules()
            for kind, held in (("_parameters", module._parameters), ("_buffers", module._buffers))
        ]

    def __call__(self, tensors: Mapping[str, Tensor], *arguments: Any) -> Any:
        """Return what the module's forward makes of the arguments at these tensors, one for each name."""
        with self._as_it_was():
            for module, kind, names in self._places:
                replaced = {key: tensors[name] for key, name in names.items()}
                module.__dict__[kind] = {**module.__dict__[kind], **replaced}
            return self._model(*arguments)

    @contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Undo all that is set on the modules, by forwards too: recurrent layers hold on to their weights."""
        before = [(module, dict(module.__dict__)) for module in self._model.modules()]
        try:
            yield
        finally:
            for module, attributes in before:
                module.__dict__.update(attributes)
                for name in module.__dict__.keys() - attributes.keys():
                    del module.__dict__[name]
