"""One self-contained HTML page on a run, or on several runs side by side, from their run folders alone."""

from eigenstep.report._report import write_report
from eigenstep.report._spectrum_figure import check_figure, write_spectrum_figure

__all__ = ["check_figure", "write_report", "write_spectrum_figure"]
