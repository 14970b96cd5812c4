"""What a person sees in the terminal: progress, tables, a spectrum."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.terminal._progress import console, follow, progress_line
    from eigenstep.terminal._spectrum_chart import HEIGHT, LABELS, spectrum_chart
    from eigenstep.terminal._tables import print_prediction, print_runs, print_table
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "HEIGHT",
    "LABELS",
    "console",
    "follow",
    "print_prediction",
    "print_runs",
    "print_table",
    "progress_line",
    "spectrum_chart",
]
