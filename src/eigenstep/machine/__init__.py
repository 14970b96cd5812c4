"""The machine that the work runs on: memory, threads, processes."""

from eigenstep.machine._device import find_device
from eigenstep.machine._gather import JointBatch, all_gather, gather_batch
from eigenstep.machine._memory import available_memory, size_in_words
from eigenstep.machine._process_group import close_at_exit
from eigenstep.machine._stopped import Stopped
from eigenstep.machine._threads import set_threads, share_cores

__all__ = [
    "JointBatch",
    "Stopped",
    "all_gather",
    "available_memory",
    "close_at_exit",
    "find_device",
    "gather_batch",
    "set_threads",
    "share_cores",
    "size_in_words",
]
