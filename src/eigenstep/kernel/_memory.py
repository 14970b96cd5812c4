"""How much memory there is to use, and large pieces of it."""

from __future__ import annotations

import torch

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
