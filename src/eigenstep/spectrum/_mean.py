"""The mean of a loss over what may be many steps, without keeping them."""

import math
from typing import Any, SupportsFloat

import torch
from torch import Tensor


class Mean:
    """The mean of numbers, or of tensors of one, which stay on their device until it is asked for.

    Examples
    --------
    >>> mean = Mean()
    >>> for loss in (1.0, torch.tensor(2.0)):
    ...     mean.add(loss)
    >>> float(mean.take()), float(mean.take())
    (1.5, nan)
    """

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._count = 0

    def add(self, value: Any) -> None:
        """Raises TypeError if it is not a number."""
        if isinstance(value, Tensor):
            if value.numel() != 1 or value.is_complex():
                raise TypeError(
                    f"expected a loss of one number, got {value.dtype} of shape {tuple(value.shape)}"
                )
            precise = torch.float32 if value.device.type == "mps" else torch.float64
            value = value.detach().reshape(()).to(precise)
        elif not isinstance(value, SupportsFloat) or isinstance(value, str):
            raise TypeError(f"expected a loss as a number or a tensor of one, got {type(value).__name__}")
        else:
            value = float(value)
        self._sum = self._sum + value
        self._count += 1

    def take(self) -> Tensor | float:
        """The mean since the last call, NaN of none."""
        found = self._sum / self._count if self._count else math.nan
        self._sum, self._count = 0.0, 0
        return found

    def state_dict(self) -> dict[str, float]:
        return {"sum": float(self._sum), "count": self._count}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._sum, self._count = float(state["sum"]), int(state["count"])
