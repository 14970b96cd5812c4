"""Matrix products with all the digits of their data type."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor


@contextmanager
def full_precision(like: Tensor) -> Iterator[None]:
    """Switch off, for products of such tensors, autocasting and the float32 modes with fewer digits (TF32).

    >>> with torch.autocast("cpu", torch.bfloat16), full_precision(torch.zeros(0)):
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.float32
    """
    kind, precision = like.device.type, torch.get_float32_matmul_precision()
    casts = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    lowers = like.dtype == torch.float32 and precision != "highest"
    with torch.autocast(kind, enabled=False) if casts else nullcontext():
        if lowers:
            torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            if lowers:
                torch.set_float32_matmul_precision(precision)
