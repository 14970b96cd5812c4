"""The machine that the work runs on: memory, threads, processes, and what a bug report needs of it."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily
from eigenstep.machine._memory import available_memory, size_in_words
from eigenstep.machine._other_libraries import lend_font_cache, switch_off_telemetry
from eigenstep.machine._stopped import RaiseOnce, Stopped, Terminated, on_sigterm
from eigenstep.machine._threads import set_threads, share_cores, usable_cores

if TYPE_CHECKING:  # what needs torch, before which `share_cores` has to come, or ctypes
    from eigenstep.machine._device import find_device, free_memory
    from eigenstep.machine._facts import machine_facts
    from eigenstep.machine._keeping import keep_memory
    from eigenstep.machine._processes import (
        close_at_exit,
        gather_later,
        gather_objects,
        gather_rows,
        is_leader,
        max_over_processes,
        mean_over_processes,
        on_leader,
        own_rank,
        row_counts,
        same_everywhere,
        sum_over_processes,
        world_size,
    )
    from eigenstep.machine._waiting import calm_threads
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "RaiseOnce",
    "Stopped",
    "Terminated",
    "available_memory",
    "calm_threads",
    "close_at_exit",
    "find_device",
    "free_memory",
    "gather_later",
    "gather_objects",
    "gather_rows",
    "is_leader",
    "keep_memory",
    "lend_font_cache",
    "machine_facts",
    "max_over_processes",
    "mean_over_processes",
    "on_leader",
    "on_sigterm",
    "own_rank",
    "row_counts",
    "same_everywhere",
    "set_threads",
    "share_cores",
    "size_in_words",
    "sum_over_processes",
    "switch_off_telemetry",
    "usable_cores",
    "world_size",
]
