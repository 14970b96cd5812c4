"""How far a long job is: a bar in a terminal, a line now and then in a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from eigenstep.spelling import printable

if TYPE_CHECKING:
    from eigenstep.training import Progress


class _Printable(Console):
    """A console that may be given names as strangers have written them: escape sequences are written out."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text), **how)


# Names of files and runs are shown as they are: brackets and colons in them are not markup.
console = _Printable(highlight=False, markup=False, emoji=False)

WIDEST_BAR, NARROWEST_BAR = 24, 6
# Seconds between two lines in a file: a twentieth of the time so far, within these bounds.
SOONEST, LATEST = 10, 600
# A share of the time spent waiting for data that is worth a word.
NOTABLE_WAIT = 0.01


class ProgressLine:
    """One line that follows a long job: a bar in a terminal, a line now and then in a file."""

    def __init__(self, description: str, bars: Bars | None) -> None:
        self.description = description
        self.bars = bars
        self.task = bars.add_task(description, total=None, counts="", note="", bar=0) if bars else None
        self.printed = self.began = monotonic()
        self.first = self.done = self.total = 0

    def update(self, done: int, total: int, *notes: str, final: bool = True) -> None:
        """Show how far the job is; how long it takes is added.

        Parameters
        ----------
        notes
            The most important first: a terminal that is too narrow for all leaves out the last ones.
        final : bool
            Whether the job ends when `done` is `total`.
        """
        now = monotonic()
        if total != self.total or done < self.done:  # another part of the job begins
            self.began, self.first = now, done
        self.done, self.total = done, total
        ended = final and done == total
        parts = [note for note in notes if note]
        if done > self.first:
            spent = max(now - self.began, 0.0)
            left = spent / (done - self.first) * (total - done)
            parts.insert(2, f"took {_clock(spent)}" if ended else f"{_clock(left)} left")
        if self.bars and self.task is not None:
            counts = f"{done}/{total}"
            note, bar = _fit(parts, console.width - len(f"⠋ {self.description}  {counts} "))
            self.bars.update(self.task, completed=done, total=total, counts=counts, note=note, bar=bar)
        elif ended or now - self.printed >= min(max(SOONEST, (now - self.began) / 20), LATEST):
            self.printed = now
            console.print(f"{self.description}: {done}/{total} {', '.join(parts)}", soft_wrap=True)


@contextmanager
def progress_line(description: str) -> Iterator[ProgressLine]:
    """Show a job's progress while the block runs.

    Examples
    --------
    >>> with progress_line("reading") as line:
    ...     line.update(5, 5, "images")
    reading: 5/5 images
    """
    if not console.is_terminal or console.is_dumb_terminal:
        yield ProgressLine(description, None)
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        _FittingBar(),
        TextColumn("{task.fields[counts]}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Bars(*columns, console=console) as bars:
        yield ProgressLine(description, bars)


@contextmanager
def follow(description: str, quiet: bool = False) -> Iterator[Callable[["Progress"], None]]:
    """What `eigenstep.training.train` takes as `progress`: a line for its images, then one for its steps."""
    if quiet:
        yield lambda progress: None
        return
    with progress_line(description) as line:

        def show(progress: "Progress") -> None:
            if progress.stage == "starting":
                console.print(progress.said, soft_wrap=True)
            elif progress.stage == "reading":
                line.update(progress.done, progress.total, "images read")
            else:
                probing = progress.stage == "probing"
                line.update(progress.done, progress.total, *_notes(progress), final=not probing)

        yield show


def _notes(progress: "Progress") -> list[str]:
    """A run's numbers, the most important first; one that is not known yet is empty."""
    loss, modes, speed = progress.loss, progress.learned_modes, progress.images_per_second
    return [
        "" if loss is None else f"loss {loss:.3f}" if 0.1 <= abs(loss) < 1e5 else f"loss {loss:.3g}",
        "" if modes is None else f"{modes} mode{'s' * (modes != 1)}",
        "probing" if progress.stage == "probing" else "",
        progress.standing,
        f"{speed:.{0 if speed >= 10 else 1}f} images/s" if speed else "",
        f"{progress.waiting:.0%} waiting for data" if (progress.waiting or 0) > NOTABLE_WAIT else "",
    ]


def _fit(notes: list[str], room: int) -> tuple[str, int]:
    """As many notes as there is room for, and the width of the bar before them: 0 for none."""
    while len(text := ", ".join(notes)) > room:
        notes = notes[:-1]
    bar = min(room - len(text), WIDEST_BAR)
    return text, bar if bar >= NARROWEST_BAR else 0


class _FittingBar(BarColumn):
    """A bar as wide as its task says."""

    def render(self, task: Task) -> RenderableType:  # type: ignore[override]  # nothing, where it is too narrow
        self.bar_width = task.fields["bar"]
        return super().render(task) if self.bar_width else ""


def _clock(seconds: float) -> str:
    """A span of time as 0:09, 1:02:03, 2d 03:04:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"
