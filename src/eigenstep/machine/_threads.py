"""The one place that says how many CPU threads the numerical libraries use, and how they wait."""

import os


def set_threads(count: int) -> None:
    """Use `count` threads in torch and in the BLAS and OpenMP pools behind NumPy and SciPy.

    Results of floating-point reductions depend on the number of threads, so a run that is to be
    repeated bit by bit needs the same count.

    Examples
    --------
    >>> set_threads(1)
    >>> import torch; torch.get_num_threads()
    1
    """
    if count < 1:
        raise ValueError(f"set_threads expects a positive number of threads, got {count}")
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(limits=count)


def usable_cores() -> int:
    """How many cores this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def share_cores() -> None:
    """Let threads that wait for each other give up their core soon; call it before torch is imported.

    GNU OpenMP lets them spin for milliseconds, which makes two threads slower than one as soon as anything
    else runs on the cores. A value that the environment has already is kept.

    Examples
    --------
    >>> share_cores()
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
