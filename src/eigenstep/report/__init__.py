"""One self-contained HTML page on a run, or on several runs side by side, from their run folders alone."""

from eigenstep.report._report import write_report

__all__ = ["write_report"]
