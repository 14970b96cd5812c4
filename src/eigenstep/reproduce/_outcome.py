"""What an experiment found: its tables, in numbers that JSON keeps and Markdown shows."""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigenstep.record import atomic_write

Cell = float | str | None
HEADER = ("", "paper", "predicted", "measured", "error")
NOTHING = "–"


@dataclass(frozen=True)
class Row:
    """One quantity of an experiment.

    Attributes
    ----------
    what : str
        The quantity.
    paper : Cell
        What the source paper reads, None if it gives no number.
    predicted : Cell
        By the theory, None where it predicts none.
    measured : Cell
        None where it did not come about.

    Examples
    --------
    >>> Row("half-time of mode 1", predicted=2.0, measured=1.98)
    Row(what='half-time of mode 1', paper=None, predicted=2.0, measured=1.98)
    """

    what: str
    paper: Cell = None
    predicted: Cell = None
    measured: Cell = None

    @property
    def error(self) -> float | None:
        """measured / predicted - 1, where both are numbers."""
        if not isinstance(self.predicted, float | int) or not isinstance(self.measured, float | int):
            return None
        error = self.measured / self.predicted - 1 if self.predicted else math.nan
        return error if math.isfinite(error) else None

    def cells(self) -> list[str]:
        error = self.error
        return [
            self.what,
            *(shown(value) for value in (self.paper, self.predicted, self.measured)),
            NOTHING if error is None else f"{round(100 * error, 2) + 0.0:+.2f} %",
        ]


@dataclass(frozen=True)
class OutcomeTable:
    """A further table: a title, a header, and rows of text and numbers, text first.

    Examples
    --------
    >>> OutcomeTable("Modes", ("mode", "gamma"), [("1", 59.6)])
    OutcomeTable(title='Modes', header=('mode', 'gamma'), rows=[('1', 59.6)])
    """

    title: str
    header: tuple[str, ...]
    rows: list[list[Cell]]

    def cells(self) -> Iterator[list[str]]:
        return ([shown(cell) for cell in row] for row in self.rows)


@dataclass(frozen=True)
class Outcome:
    """What one experiment came to.

    Attributes
    ----------
    name : str
        e1 .. e7.
    title : str
        What it is about.
    setting : str
        What was run, in sentences.
    rows : list[Row]
        The table "paper / predicted / measured / error".
    tables : list[OutcomeTable]
        Further tables.
    notes : list[str]
        What a reader must know to judge the numbers.
    figures : list[str]
        Names of the PNG files beside `result.json`; each has a PDF twin.

    Examples
    --------
    >>> Outcome("e1", "Linear model", "Two modes.", [Row("worst error", measured=0.01)]).rows[0].measured
    0.01
    """

    name: str
    title: str
    setting: str
    rows: list[Row]
    tables: list[OutcomeTable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def write(self, path: Path, **facts: Any) -> None:
        """Write everything, and `facts` about the run, to a JSON file."""
        tree = _without_nan(dataclasses.asdict(self) | facts)
        atomic_write(path, json.dumps(tree, indent=1, ensure_ascii=False))


def read_outcome(path: Path) -> tuple[Outcome, dict[str, Any]]:
    """An outcome that `Outcome.write` wrote, and the facts beside it.

    Raises
    ------
    ValueError
        If the file is not of this form.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "result.json"
    >>> rows = [Row("half-time", paper=2.0, predicted=1.98, measured=1.99)]
    >>> Outcome("e1", "Linear model", "Two modes.", rows).write(path, seconds=3)
    >>> outcome, facts = read_outcome(path)
    >>> outcome.rows[0].measured, facts
    (1.99, {'seconds': 3})
    """
    try:
        tree = json.loads(path.read_text())
        rows = [Row(**row) for row in tree.pop("rows")]
        tables = [OutcomeTable(t["title"], tuple(t["header"]), t["rows"]) for t in tree.pop("tables")]
        names = {entry.name for entry in dataclasses.fields(Outcome)} & set(tree)
        outcome = Outcome(rows=rows, tables=tables, **{name: tree.pop(name) for name in names})
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not the result of an experiment ({error!r}); use --overwrite to make it anew"
        ) from error
    return outcome, tree


def shown(value: Cell) -> str:
    """A cell as tables show it: four significant digits, a dash for what is not there.

    Examples
    --------
    >>> [shown(cell) for cell in (0.123456, 512.0, 12345.0, 1e-7, 3, None, "0.4 to 1.3")]
    ['0.1235', '512', '12,345', '1e-07', '3', '–', '0.4 to 1.3']
    """
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return NOTHING
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def markdown(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table under its title, text to the left and numbers to the right.

    Examples
    --------
    >>> print(markdown("Modes", ["mode", "gamma"], [["1", "59.6"]]))
    Modes:
    <BLANKLINE>
    | mode | gamma |
    | --- | ---: |
    | 1 | 59.6 |
    """
    lines = [
        f"{title}:\n" if title else None,
        f"| {' | '.join(header)} |",
        f"| --- |{' ---: |' * (len(header) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(line for line in lines if line is not None)


def _without_nan(tree: Any) -> Any:
    """JSON has no NaN or infinity."""
    if isinstance(tree, dict):
        return {name: _without_nan(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_nan(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
