"""How OpenMP's threads wait for each other where torch is loaded already and the machine has other work."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eigenstep.machine._threads import usable_cores

# Seconds between two looks, and the share of their time that threads wait for a core on a crowded machine:
# some hundredths with the cores for themselves, a half beside one more busy process.
LOOK_EVERY, CROWDED_SHARE = 1.0, 0.2
# By these a user says how threads wait, which is left so; `share_cores` sets the first, before torch comes.
_SAID = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
# Numbers that torch leaves to one thread.
_GRAIN = 2**15


@contextmanager
def calm_threads() -> Iterator[None]:
    """As long as it lasts, waiting threads give up their core once the machine is seen to be crowded.

    GNU OpenMP reads the environment when torch is loaded, and then lets waiting threads spin for
    milliseconds: beside one busy process two threads are slower than one. While it has more threads than
    cores it lets them spin some hundred times only (its manual, GOMP_SPINCOUNT); so a team is made that does
    nothing. How many threads compute, and so every number, stays as it is. Other runtimes than GNU's are
    left alone.

    Examples
    --------
    >>> import torch
    >>> with calm_threads():
    ...     product = torch.ones(2, 3) @ torch.ones(3, 1)
    >>> product.ravel()
    tensor([3., 3.])
    """
    import torch

    threads = torch.get_num_threads()
    libraries = [] if threads == 1 or any(map(os.environ.get, _SAID)) else _gnu_openmp()
    if not libraries or not _schedule().exists():
        yield
        return
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(libraries, threads, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(libraries: list[ctypes.CDLL], threads: int, ended: threading.Event) -> None:
    """Look until the machine is crowded; then have a team of this thread's own, which ends with it."""
    before = _ran_and_waited()
    while not ended.wait(LOOK_EVERY):
        now = _ran_and_waited()
        ran, waited = now[0] - before[0], now[1] - before[1]
        before = now
        if waited > CROWDED_SHARE * (ran + waited):
            _make_team(libraries, max(2, usable_cores() - threads + 2))
            ended.wait()


def _make_team(libraries: list[ctypes.CDLL], size: int) -> None:
    import torch

    torch.get_num_threads()  # sets this thread's number, so that it is not set again by what follows
    for library in libraries:
        library.omp_set_num_threads(size)  # of this thread alone
    torch.zeros(size * _GRAIN, dtype=torch.uint8).add_(1)


def _gnu_openmp() -> list[ctypes.CDLL]:
    from threadpoolctl import threadpool_info

    return [ctypes.CDLL(each["filepath"]) for each in threadpool_info() if each["prefix"] == "libgomp"]


def _ran_and_waited() -> tuple[int, int]:
    """Nanoseconds that this process's threads have run, and waited for a core."""
    ran = waited = 0
    for thread in _schedule().parent.parent.iterdir():
        try:
            numbers = (thread / "schedstat").read_text().split()
        except OSError:  # it has ended
            continue
        ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
    return ran, waited


def _schedule() -> Path:
    """Where Linux tells of a thread that it ran and waited, this one's."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
