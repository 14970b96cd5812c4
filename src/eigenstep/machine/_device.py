"""Devices by name, and the memory that is free on them."""

import torch

from eigenstep.machine._memory import available_memory


def find_device(name: str) -> torch.device:
    """Where an encoder that is no longer trained computes: the device of this name.

    auto: a CUDA device if there is one, else the CPU.

    Raises
    ------
    ValueError
        In one line if it cannot be used here.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here: {reason}; use cpu") from error
    return device


def free_memory(device: torch.device) -> int:
    """The bytes that are free on a device: the GPU's own, or what the machine and its limits leave.

    Examples
    --------
    >>> free_memory(torch.device("cpu")) > 0
    True
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    available = available_memory()
    return 4 * 2**30 if available is None else available
