"""The run folder: its one writer, one reader and one follower."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.record._bounded import SMALL_BYTES, TABLE_BYTES, check_bounded, read_bounded
    from eigenstep.record._configuration import as_dataclass, as_yaml, config_leaves, differences, read_tree
    from eigenstep.record._discover import RunFinder, find_runs, is_run
    from eigenstep.record._disk import (
        atomic_file,
        atomic_folder,
        atomic_remove,
        atomic_write,
        check_writable,
        claim_folder,
        free_folder,
        is_aside,
        make_folder,
        move,
        part_file,
        remove_asides,
        remove_if_empty,
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
        START,
        START_FEATURES,
        SUMMARY,
        Owner,
        check_folder,
        foreign_entries,
        found_entries,
        open_folder,
    )
    from eigenstep.record._followed_run import OUT_OF_HANDLES, ROWS_KEPT, FollowedRun
    from eigenstep.record._growing import GrowingLines, GrowingTable
    from eigenstep.record._lock import FolderInUse, FolderLock, locked_folder
    from eigenstep.record._record import RunRecord, read_record
    from eigenstep.record._step_clock import StepClock
    from eigenstep.record._table import Table, read_table
    from eigenstep.record._thinned import Thinned, padded, stride_for
    from eigenstep.record._writer import RecordWriter, append_line
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "ENTRIES",
    "FolderInUse",
    "FolderLock",
    "FollowedRun",
    "GrowingLines",
    "GrowingTable",
    "LOGGERS",
    "METRICS",
    "OUT_OF_HANDLES",
    "Owner",
    "PREDICTION",
    "REPORT",
    "ROWS_KEPT",
    "RecordWriter",
    "RunFinder",
    "RunRecord",
    "SMALL_BYTES",
    "SPECTRUM",
    "START",
    "START_FEATURES",
    "SUMMARY",
    "StepClock",
    "TABLE_BYTES",
    "Table",
    "Thinned",
    "append_line",
    "as_dataclass",
    "as_yaml",
    "atomic_file",
    "atomic_folder",
    "atomic_remove",
    "atomic_write",
    "check_bounded",
    "check_folder",
    "check_writable",
    "claim_folder",
    "config_leaves",
    "differences",
    "find_runs",
    "foreign_entries",
    "found_entries",
    "free_folder",
    "is_aside",
    "is_run",
    "locked_folder",
    "make_folder",
    "move",
    "open_folder",
    "padded",
    "part_file",
    "read_bounded",
    "read_record",
    "read_table",
    "read_tree",
    "remove_asides",
    "remove_if_empty",
    "replace_folder",
    "stride_for",
    "write_part",
]
