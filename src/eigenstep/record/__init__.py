"""The run folder: its one writer, one reader and one follower."""

from eigenstep.record._configuration import as_dataclass, as_yaml, differences, read_tree
from eigenstep.record._discover import RunFinder, find_runs, is_run
from eigenstep.record._disk import (
    atomic_file,
    atomic_folder,
    atomic_remove,
    atomic_write,
    check_writable,
    free_folder,
    is_aside,
    make_folder,
    move,
    remove_asides,
    replace_folder,
    write_part,
)
from eigenstep.record._folder import (
    CHECKPOINTS,
    CONFIG,
    ENTRIES,
    LOGGERS,
    METRICS,
    PREDICTION,
    REPORT,
    SPECTRUM,
    SUMMARY,
    Owner,
    check_folder,
    foreign_entries,
    found_entries,
    open_folder,
)
from eigenstep.record._followed_run import ROWS_KEPT, FollowedRun
from eigenstep.record._growing import GrowingLines, GrowingTable
from eigenstep.record._record import RunRecord, read_record
from eigenstep.record._step_clock import StepClock
from eigenstep.record._table import Table, read_table
from eigenstep.record._thinned import Thinned, padded, stride_for
from eigenstep.record._writer import RecordWriter, append_line

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "ENTRIES",
    "FollowedRun",
    "GrowingLines",
    "GrowingTable",
    "LOGGERS",
    "METRICS",
    "Owner",
    "PREDICTION",
    "REPORT",
    "ROWS_KEPT",
    "RecordWriter",
    "RunFinder",
    "RunRecord",
    "SPECTRUM",
    "SUMMARY",
    "StepClock",
    "Table",
    "Thinned",
    "append_line",
    "as_dataclass",
    "as_yaml",
    "atomic_file",
    "atomic_folder",
    "atomic_remove",
    "atomic_write",
    "check_folder",
    "check_writable",
    "differences",
    "find_runs",
    "foreign_entries",
    "found_entries",
    "free_folder",
    "is_aside",
    "is_run",
    "make_folder",
    "move",
    "open_folder",
    "padded",
    "read_record",
    "read_table",
    "read_tree",
    "remove_asides",
    "replace_folder",
    "stride_for",
    "write_part",
]
