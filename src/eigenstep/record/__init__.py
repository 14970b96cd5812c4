"""The run folder: its one writer, one reader and one follower."""

from eigenstep.record._configuration import as_dataclass, as_yaml, differences, read_tree
from eigenstep.record._discover import RunFinder
from eigenstep.record._disk import (
    ASIDE,
    atomic_folder,
    atomic_remove,
    atomic_write,
    check_writable,
    remove_asides,
)
from eigenstep.record._followed_run import ROWS, FollowedRun
from eigenstep.record._growing import GrowingLines, GrowingTable, SmallFile
from eigenstep.record._kept_record import kept_record
from eigenstep.record._record import RunRecord, find_runs, is_run, read_record
from eigenstep.record._step_clock import StepClock
from eigenstep.record._table import Table, read_table
from eigenstep.record._thinned import Thinned, padded, stride_for
from eigenstep.record._writer import RecordWriter, append_line

__all__ = [
    "ASIDE",
    "FollowedRun",
    "GrowingLines",
    "GrowingTable",
    "ROWS",
    "RecordWriter",
    "RunFinder",
    "RunRecord",
    "SmallFile",
    "StepClock",
    "Table",
    "Thinned",
    "append_line",
    "as_dataclass",
    "as_yaml",
    "atomic_folder",
    "atomic_remove",
    "atomic_write",
    "check_writable",
    "differences",
    "find_runs",
    "is_run",
    "kept_record",
    "padded",
    "read_record",
    "read_table",
    "read_tree",
    "remove_asides",
    "stride_for",
]
