"""How much memory the machine has to give, and how sizes are written."""

import os
from pathlib import Path


def available_memory() -> int | None:
    """Bytes that can be had without swapping, within a container's limit too; None if nothing tells.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    known = [number for number in (_of_machine(), _of_container()) if number is not None]
    return max(min(known), 0) if known else None


def size_in_words(size: float) -> str:
    """Write a number of bytes in the unit that fits.

    Examples
    --------
    >>> size_in_words(1000), size_in_words(9830), size_in_words(3 * 2**30)
    ('1000 bytes', '9.6 KiB', '3.0 GiB')
    """
    if size < 1024:
        return f"{size:.0f} bytes"
    power = next((power for power in (1, 2) if size < 1024 ** (power + 1)), 3)
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


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
