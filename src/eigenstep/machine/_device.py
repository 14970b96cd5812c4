"""Where an encoder that is no longer trained computes."""

import torch


def find_device(name: str) -> torch.device:
    """The device of this name; auto: a CUDA device if there is one, else the CPU.

    Raises ValueError in one line if it cannot be used here.

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
