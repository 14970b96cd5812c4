"""The demonstration's first page: what was learned, and its wings, each with a link to all of it."""

from collections.abc import Sequence
from pathlib import Path

from eigenstep.pages import page
from eigenstep.record import RunRecord, atomic_write
from eigenstep.report import RunSection
from eigenstep.reproduce._demo_wings import Wing


def write_demo_page(
    out: Path, report: Path, runs: Sequence[RunRecord], wings: Sequence[Wing], seconds: float
) -> Path:
    """Write index.html beside the report; it refers to the pages beside it, and to nothing else.

    Parameters
    ----------
    seconds : float
        What everything on it took.
    """
    path = out / "index.html"
    text = page(
        "eigenstep.reproduce",
        report=report.name,
        runs=[RunSection(run, runs).context() for run in runs],
        wings=[{"id": f"wing-{place}", "wing": wing} for place, wing in enumerate(wings, start=1)],
        seconds=round(seconds),
    )
    atomic_write(path, text)
    return path
