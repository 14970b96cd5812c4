"""Independent jobs beside each other, each on one thread, so that results do not depend on how many run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch

from eigenstep.machine import usable_cores

Result = TypeVar("Result")


def in_parallel(
    jobs: Sequence[Callable[[], Result]],
    workers: int | None = None,
    done: Callable[[int, Result], None] = lambda place, result: None,
) -> list[Result]:
    """Run jobs in threads and return what they give, in the order of the jobs.

    Torch lets other threads run while it computes. Every job computes on one thread of torch's, whatever the
    number of workers, so that the same jobs give the same numbers.

    Parameters
    ----------
    workers : int | None
        Jobs beside each other; default: the cores that this process may use, 8 at most.
    done : Callable[[int, Result], None]
        Called in the calling thread as jobs end, with a job's place and what it gave.

    Examples
    --------
    >>> in_parallel([lambda: 1, lambda: 2], workers=2)
    [1, 2]
    """
    workers = workers or min(usable_cores(), 8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    results: dict[int, Result] = {}
    try:
        with ThreadPoolExecutor(workers) as pool:
            waiting = {pool.submit(job): place for place, job in enumerate(jobs)}
            try:
                for future in as_completed(waiting):
                    place = waiting[future]
                    results[place] = future.result()
                    done(place, results[place])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)
    return [results[place] for place in range(len(jobs))]
