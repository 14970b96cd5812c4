"""What memory stored images take, and whether the machine has it."""

import numpy as np

from eigenstep.images._pixels import COLOURS, Pixels
from eigenstep.machine import available_memory

# Of the memory that is available: training needs room beside the images.
MEMORY_SHARE = 0.8


def fits_memory(count: int, size: int, processes: int = 1, pixels: Pixels = COLOURS) -> bool:
    """Whether `count` images of size × size fit, when so many processes of this machine hold them each.

    Examples
    --------
    >>> fits_memory(1000, 32)
    True
    """
    available = available_memory()
    return available is None or processes * image_bytes(count, size, pixels) <= MEMORY_SHARE * available


def check_memory(data: str, count: int, size: int, advice: str, pixels: Pixels = COLOURS) -> None:
    """Raises ValueError, with the advice at its end, if `count` images of size × size do not fit."""
    if not fits_memory(count, size, pixels=pixels):
        need, available = image_bytes(count, size, pixels), available_memory() or 0
        raise ValueError(
            f"{data}: {count} images of {size}×{size} px take {need / 2**30:.1f} GiB and this machine has"
            f" {available / 2**30:.1f} GiB of memory available; {advice}"
        )


def image_bytes(count: int, size: int, pixels: Pixels = COLOURS) -> int:
    return count * pixels.channels * size**2 * np.dtype(pixels.dtype).itemsize
