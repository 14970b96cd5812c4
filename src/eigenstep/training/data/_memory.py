"""How much of the machine's memory images may take."""

import os
from pathlib import Path

# Of the memory that is available: training needs room beside the images.
MEMORY_SHARE = 0.8


def fits_memory(count: int, size: int, processes: int = 1) -> bool:
    """Whether `count` images of size × size fit, when so many processes of this machine hold them each."""
    available = available_memory()
    return available is None or processes * image_bytes(count, size) <= MEMORY_SHARE * available


def check_memory(data: str, count: int, size: int, advice: str) -> None:
    """Raises ValueError, with the advice at its end, if `count` images of size × size do not fit."""
    if not fits_memory(count, size):
        need, available = image_bytes(count, size), available_memory() or 0
        raise ValueError(
            f"{data}: {count} images of {size}×{size} px take {need / 2**30:.1f} GiB and this machine has"
            f" {available / 2**30:.1f} GiB of memory available; {advice}"
        )


def image_bytes(count: int, size: int) -> int:
    return 3 * count * size**2


def available_memory() -> int | None:
    """Bytes that can be had without swapping, within a container's limit too; None if nothing tells."""
    known = [number for number in (_of_machine(), _of_container()) if number is not None]
    return max(min(known), 0) if known else None


def _of_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _of_container() -> int | None:
    """What the control group leaves; cached files that can be dropped at once do not count as used."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        lines = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(dict(lines).get("inactive_file", 0))
    except (OSError, ValueError):  # no such group, or its limit is "max"
        return None
