"""Memory that a step of training has freed stays with the process, for the next step."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from eigenstep.machine._memory import available_memory

# Memory that is kept is cut up a little worse: the peak grew by a tenth to a fifth with a ResNet-18.
ROOM = 0.5
# By these a user says what malloc does, which is left so.
_SAID = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
# Parameters of glibc's mallopt, from malloc.h, and the values at which its own thresholds end in a process
# that has freed a large block.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_ITS_OWN = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}


@contextmanager
def keep_memory(processes: int = 1) -> Iterator[Callable[[], None]]:
    """What it gives, called after a first step, makes large freed blocks wait for the next, until the end.

    By itself glibc's malloc maps each block of more than 32 MiB anew and gives it back when it is freed, so
    that in every step the system has to find and clear each page again. No number depends on this. Memory
    is not kept where half of what this process has used at most is no longer free for each of the
    machine's `processes`, where malloc is not glibc's, and where the environment says what it is to do.

    Examples
    --------
    >>> import torch
    >>> with keep_memory() as keep:
    ...     for step in range(3):
    ...         product = torch.ones(2, 3) @ torch.ones(3, 1)
    ...         if step == 0:
    ...             keep()
    >>> product.ravel()
    tensor([3., 3.])
    """
    said = any(map(os.environ.get, _SAID)) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    libc = None if said else _glibc()
    kept = False

    def keep() -> None:
        nonlocal kept
        free = available_memory()
        if libc is None or free is None or free < ROOM * _most_used() * processes:
            return
        kept = True
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)  # never

    try:
        yield keep
    finally:
        if libc is not None and kept:
            for parameter, value in _ITS_OWN.items():
                libc.mallopt(parameter, value)
            libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):  # another system, another library
        return None
    return ctypes.CDLL(None) if name.startswith("glibc") and sys.platform == "linux" else None


def _most_used() -> int:
    """Bytes that this process has had in memory at most."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
