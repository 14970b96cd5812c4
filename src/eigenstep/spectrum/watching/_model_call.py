"""What is known of the forward pass that is under way: samples, and which tokens are there."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# Names under which models are given which tokens are there (True), and which are padding (False).
MASKS = {
    "attention_mask": True,
    "src_key_padding_mask": False,
    "key_padding_mask": False,
    "padding_mask": False,
}


class ModelCall:
    """What is known of a forward pass of the model: what it was given.

    Attributes
    ----------
    samples : int | None
        How many there are in a tensor that the model was given, where that can be told.
    tensors : int
        How many it was given, which it may have joined.
    mask : Tensor | None
        Which tokens are no padding, (n, t) of bool, where the model was told.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        given = dict(given or {})
        for name, value in list(given.items()):
            if isinstance(value, Mapping):
                given |= value
            elif isinstance(value, list | tuple):
                given |= {f"{name}.{number}": each for number, each in enumerate(value)}
        tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
        self.mask, self.tensors = find_mask(given), len(tensors)
        self.samples: int | None = None
        if self.mask is not None:
            self.samples = len(self.mask)
        elif tensors:
            name, first = next(iter(tensors.items()))
            # Images, rows and ids of that name have their samples first; sequences may not.
            if first.ndim >= 4 or (first.ndim == 2 and first.is_floating_point()) or name == "input_ids":
                self.samples = len(first)

    def fits(self, rows: int) -> bool:
        """Whether so many rows can be the samples of one of the tensors or of several."""
        return not self.samples or (rows % self.samples == 0 and rows <= self.samples * self.tensors)

    def stacked(self, rows: int) -> int:
        """How many of the tensors such rows can be of, one after the other; 1 where that cannot be told."""
        if not self.samples or rows % self.samples or self.tensors < 2:
            return 1
        return rows // self.samples


class CallInProgress:
    """The forward pass of the model that is under way, if one is.

    Attributes
    ----------
    call : ModelCall
        What is known of it; of none, nothing.
    is_of_training : bool
        Whether one is under way that began with gradients.
    """

    def __init__(self, model: nn.Module) -> None:
        try:
            self._names = list(inspect.signature(model.forward).parameters)
        except (TypeError, ValueError):  # it is not written in Python
            self._names = []
        self.call, self.is_of_training = ModelCall(), False

    def begin(self, model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """A forward pre-hook."""
        self.call = ModelCall(dict(zip(self._names, inputs, strict=False)) | dict(keywords))
        self.is_of_training = torch.is_grad_enabled()

    def end(self, *given: Any) -> None:
        """A forward hook."""
        self.call, self.is_of_training = ModelCall(), False


def find_mask(given: Mapping[str, Any]) -> Tensor | None:
    """Which tokens are no padding, (n, t) of bool, by the names that torch and transformers use."""
    for name, there in MASKS.items():
        mask = given.get(name)
        if isinstance(mask, Tensor) and mask.ndim == 2:
            if not there and mask.is_floating_point():  # -inf where there is padding
                return mask == 0
            return mask.bool() if there else ~mask.bool()
    return None
