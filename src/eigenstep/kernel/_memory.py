"""How much memory there is to use, and large pieces of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eigenstep.machine import available_memory


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device: the GPU's own, or what the machine and its limits leave.

    >>> free_memory(torch.device("cpu")) > 0
    True
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    available = available_memory()
    return 4 * 2**30 if available is None else available


def large_empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a tensor of some shape and of the dtype and device of `like`, with any values.

    >>> large_empty((2, 3), torch.zeros(1)).shape
    torch.Size([2, 3])
    """
    if like.device.type != "cpu":
        return like.new_empty(shape)
    # NumPy asks the system for huge pages, PyTorch does not: half the time to touch the memory first.
    return torch.from_numpy(np.empty(shape, dtype=str(like.dtype).removeprefix("torch.")))
