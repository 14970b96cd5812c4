"""The group of processes that Eigenstep itself makes under torchrun."""

import atexit

from torch import distributed

__all__ = ["close_at_exit"]


def close_at_exit() -> None:
    """Close the group that was just made when this process ends.

    gloo's threads, where they still run as the interpreter goes, abort a process that has done all its work.
    A group that somebody else has closed or replaced by then is closed as well, or is gone already.
    """
    atexit.register(_close)


def _close() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
