"""The one place that sets how many CPU threads the numerical libraries use."""

import torch
from threadpoolctl import threadpool_limits

__all__ = ["set_threads"]


def set_threads(count: int) -> None:
    """Use `count` threads in torch and in the BLAS and OpenMP pools behind NumPy and SciPy.

    Results of floating-point reductions depend on the number of threads, so a run that is to be
    repeated bit by bit needs the same count.

    >>> set_threads(1)
    >>> import torch; torch.get_num_threads()
    1
    """
    if count < 1:
        raise ValueError(f"set_threads expects a positive number of threads, got {count}")
    torch.set_num_threads(count)
    threadpool_limits(limits=count)
