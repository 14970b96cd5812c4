"""What a person sees in the terminal: progress and tables."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from eigenstep.spectrum import RunRecord

if TYPE_CHECKING:
    from eigenstep.training import Progress

__all__ = ["console", "follow", "print_prediction", "print_runs", "print_table", "progress_line"]

# Names of files and runs are shown as they are: brackets and colons in them are not markup.
console = Console(highlight=False, markup=False, emoji=False)


class ProgressLine:
    """One line that follows a long job: a bar in a terminal, a line now and then in a file."""

    def __init__(self, description: str, bars: Bars | None) -> None:
        self.description = description
        self.bars = bars
        self.task = bars.add_task(description, total=None, note="") if bars else None
        self.printed = time.monotonic()

    def update(self, done: int, total: int, note: str = "") -> None:
        if self.bars and self.task is not None:
            self.bars.update(self.task, completed=done, total=total, note=note)
        elif time.monotonic() - self.printed > 10 or done == total:
            self.printed = time.monotonic()
            console.print(f"{self.description}: {done}/{total} {note}", soft_wrap=True)


@contextmanager
def progress_line(description: str) -> Iterator[ProgressLine]:
    """Show a job's progress while the block runs.

    >>> with progress_line("reading") as line:
    ...     line.update(5, 5, "images")
    reading: 5/5 images
    """
    if not console.is_terminal:
        yield ProgressLine(description, None)
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}  {task.fields[note]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=console) as bars:
        yield ProgressLine(description, bars)


@contextmanager
def follow(description: str) -> Iterator[Callable[["Progress"], None]]:
    """What `eigenstep.training.train` takes as `progress`: a line for its images, then one for its steps."""
    with progress_line(description) as line:

        def show(progress: "Progress") -> None:
            if progress.stage == "reading":
                line.update(progress.done, progress.total, "images read")
            else:
                loss = "" if progress.loss is None else f"loss {progress.loss:.3f}, "
                line.update(progress.done, progress.total, f"{loss}{progress.images_per_second:.0f} images/s")

        yield show


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose others are numbers."""
    console.print(title, style="bold", soft_wrap=True)
    table = Table(header_style="")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_prediction(record: RunRecord) -> None:
    """Print each mode's predicted and measured half-time, and the worst relative error."""
    assert record.prediction is not None
    assert record.summary is not None
    gamma, predicted = np.array(record.prediction["gamma"]), np.array(record.prediction["half_times"])
    measured = {rise["mode"]: rise["half_time"] for rise in record.summary["rises"]}
    errors = np.array([measured.get(mode, np.inf) / time - 1 for mode, time in enumerate(predicted)])
    print_table(
        "Linear model: when each mode is learned (t = learning rate × step)",
        ["mode", "gamma", "predicted", "measured", "error"],
        [
            [
                str(mode + 1),
                f"{gamma[mode]:.4g}",
                f"{predicted[mode]:.4g}",
                f"{measured.get(mode, np.inf):.4g}",
                f"{errors[mode]:+.2%}",
            ]
            for mode in range(len(gamma))
        ],
    )
    console.print(f"worst error {np.abs(errors).max():.2%}\n")


def print_runs(records: list[RunRecord]) -> None:
    """Print what each run learned, and at which step each of its modes reached half of its plateau."""
    rows = []
    for record in records:
        summary, loss = record.summary or {}, record.metrics["loss"]
        steps = np.interp(
            [rise["half_time"] for rise in summary["rises"]], record.metrics["time"], record.metrics["step"]
        )
        rows.append(
            [
                record.name,
                f"{loss[0]:.2f} → {loss[-1]:.2f}",
                str(summary["learned_modes"]),
                " ".join(f"{step:.0f}" for step in steps),
            ]
        )
    print_table("What was learned", ["run", "loss", "learned modes", "steps at which they rose"], rows)
