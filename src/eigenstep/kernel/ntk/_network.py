"""A model as a function of its trainable parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Network:
    """Outputs (b, O) of a module as a function of leaf tensors: the module as it was, which is left alone.

    Parameters and buffers are copies, so that neither a forward that writes to them reaches the module, nor
    its further training the network. Each forward starts from the same buffers.

    Parameters
    ----------
    model : the module; what does not require grad counts as a constant
    dtype, device : of parameters, buffers and batches; by default those of the parameters

    Attributes
    ----------
    parameters : leaf tensors by name; a parameter that several layers share is there once

    Raises
    ------
    ValueError : not a module, nothing to train, or parameters of a dtype that kernels cannot be computed in

    Examples
    --------
    >>> network = Network(nn.Linear(3, 2), dtype=torch.float64)
    >>> network.outputs(torch.zeros(4, 3, dtype=torch.float64)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ValueError(f"expected model as a torch.nn.Module, got {type(model).__name__}")
        trainable = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
        if not trainable:
            raise ValueError(
                f"expected a model with parameters that require grad, got {type(model).__name__} with none: "
                "the tangent kernel is of trainable parameters; set requires_grad_(True) on some"
            )
        first = next(iter(trainable.values()))
        self.dtype = first.dtype if dtype is None else dtype
        self.device = first.device if device is None else torch.device(device)
        if self.dtype not in (torch.float32, torch.float64):
            given = "parameters" if dtype is None else "dtype"
            raise ValueError(
                f"expected {given} of torch.float32 or torch.float64, got {self.dtype}; pass "
                "dtype=torch.float32"
            )
        self.model = model
        self.parameters = {name: self._own(tensor).requires_grad_() for name, tensor in trainable.items()}
        fixed = [item for item in model.named_parameters() if item[0] not in trainable]
        self._fixed = {name: self._own(tensor) for name, tensor in fixed}
        self._buffers = {name: self._own(tensor) for name, tensor in model.named_buffers()}

    @property
    def n_parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.parameters.values())

    def outputs(self, batch: Tensor, parameters: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the outputs (b, O) of a batch (b, ...), flattened to one row a sample.

        Raises
        ------
        ValueError : outputs that are not one tensor with a row for each sample
        """
        buffers = {name: tensor.clone() for name, tensor in self._buffers.items()}
        tensors = {**self._fixed, **buffers, **self.parameters, **(parameters or {})}
        try:
            returned = functional_call(self.model, tensors, (batch,))
        except Exception as error:
            error.add_note(f"raised by the model's forward, of a batch {tuple(batch.shape)} {batch.dtype}")
            raise
        if not isinstance(returned, Tensor):
            raise ValueError(
                f"expected a model that returns one tensor (n, O), got {_words(returned)}; wrap it in a "
                "module that returns the part whose kernel is meant"
            )
        if returned.ndim == 0 or len(returned) != len(batch):
            raise ValueError(
                f"expected a model that returns a row for each of {len(batch)} samples, got shape "
                f"{tuple(returned.shape)}"
            )
        return returned.flatten(1) if returned.ndim > 1 else returned[:, None]

    def _own(self, tensor: Tensor) -> Tensor:
        kept = tensor.detach()
        return kept.to(self.device, self.dtype if kept.is_floating_point() else kept.dtype, copy=True)


def _words(returned: object) -> str:
    if isinstance(returned, tuple | list):
        return f"a {type(returned).__name__} of {len(returned)}"
    return f"a {type(returned).__name__}"
