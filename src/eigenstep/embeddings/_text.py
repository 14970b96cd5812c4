"""Tables of text: comma-, semicolon- or tab-separated values, compressed or not, some lines at a time."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._stored import Content, Stored
from eigenstep.embeddings._wide import in_words, wide_columns

# What stands for a value that is not there.
MISSING = {"", "na", "n/a", "nan", "null", "none"}
# Rows that tell what a column holds, and rows of labels that are read at once.
ROWS_LOOKED_AT, ROWS_AT_ONCE = 1000, 65536


def csv_content(path: Path) -> Content:
    """The columns of a .csv or .tsv file, with a line of names or without; one array of those for dimensions.

    Columns without names are numbered from 0. A value that is not there counts as NaN.
    """
    table = _Table(path)
    kinds = {name: table.kind(place) for place, name in enumerate(table.names)}
    arrays: dict[str | None, Stored] = {name: table.column(name, kind) for name, kind in kinds.items()}
    if "list" in kinds.values():
        return Content(arrays)
    dimensions = dict(kinds)
    if not table.has_names and "fraction" in kinds.values():  # whole numbers are labels or places
        dimensions = {name: kind if kind == "fraction" else "other" for name, kind in kinds.items()}
    for name, columns in wide_columns(dimensions).items():
        arrays[name] = table.wide(columns, in_words(columns, kinds))
    return Content(arrays)


class _Table:
    """A table of text; its lines are counted once, and read again for its values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with self._lines() as lines:
                sample = list(islice(lines, ROWS_LOOKED_AT + 1))
                self.count = len(sample) + sum(1 for _ in lines)
        except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is not a table of text ({error})") from error
        if not sample:
            raise ValueError(f"{path} is empty; expected rows of numbers")
        separator = max((",", ";", "\t"), key=sample[0].count)
        self.separator = separator if separator in sample[0] or " " not in sample[0] else " "
        rows = list(self._fields(sample))
        self.has_names = _are_names(rows)
        self.names = rows[0] if self.has_names else list(map(str, range(len(rows[0]))))
        if len(set(self.names)) < len(self.names):
            raise ValueError(
                f"{path}: expected a name of its own for each column, got {', '.join(self.names[:8])}"
            )
        self.sample = rows[1:] if self.has_names else rows
        self.count -= self.has_names

    def kind(self, place: int) -> str:
        return _kind([row[place] for row in self.sample if place < len(row)])

    def column(self, name: str, kind: str) -> Stored:
        place = self.names.index(name)

        def whole() -> NDArray[Any]:
            values = [
                row[place] for start, part in self._parts(ROWS_AT_ONCE) for row in self._checked(part, start)
            ]
            if kind in ("fraction", "integer"):
                numbers = [np.nan if _is_missing(value) else _number(value) for value in values]
                if None not in numbers:
                    found = np.array(numbers, np.float64)
                    return found.astype(np.int64) if kind == "integer" and np.isfinite(found).all() else found
            return np.array([value or None for value in values], object if "" in values else str)

        if kind == "list":
            return self._lists(name, place, whole)
        words = {"fraction": "fractions", "integer": "whole numbers", "other": "texts"}
        return Stored((self.count,), words[kind], kind != "other", lambda rows: iter(()), whole)

    def _lists(self, name: str, place: int, whole: Callable[[], NDArray[Any]]) -> Stored:
        """A column of lists as texts, which pandas writes."""
        width = len(self._list(next(row[place] for row in self.sample if row[place]), name, 0))

        def pieces(rows: int) -> Iterator[Tensor]:
            for start, part in self._parts(rows):
                found = np.full((len(part), width), np.nan)
                for at, row in enumerate(self._checked(part, start)):
                    numbers = self._list(row[place], name, start + at)
                    if numbers and len(numbers) != width:
                        raise ValueError(
                            f"{self.path}, {name}: row {start + at} has {len(numbers)} numbers, expected"
                            f" {width} in every row, as in the first"
                        )
                    found[at] = numbers or np.nan
                yield torch.from_numpy(found)

        return Stored((self.count, width), "numbers", True, pieces, whole)

    def _list(self, text: str, name: str, row: int) -> list[float]:
        try:
            return [float(each) for each in json.loads(text or "[]")]
        except (ValueError, TypeError):
            raise ValueError(
                f"{self.path}, {name}: row {row}: expected a list such as [0.5, 1.5], got {text[:40]!r}"
            ) from None

    def wide(self, columns: list[str], made_of: str) -> Stored:
        places = [self.names.index(name) for name in columns]

        def pieces(rows: int) -> Iterator[Tensor]:
            for start, part in self._parts(rows):
                yield torch.from_numpy(self._numbers(part, places, start))

        def whole() -> NDArray[Any]:
            found: NDArray[Any] = torch.cat(list(pieces(ROWS_AT_ONCE))).numpy()
            return found

        return Stored((self.count, len(columns)), "numbers", True, pieces, whole, made_of, named=False)

    def _numbers(self, lines: list[str], places: list[int], start: int) -> NDArray[np.float64]:
        try:
            found = np.loadtxt(
                lines, delimiter=self.separator, comments=None, quotechar='"', ndmin=2, usecols=places
            )
            if all(line.count(self.separator) == len(self.names) - 1 for line in lines):
                return found
        except ValueError:
            pass
        values = np.empty((len(lines), len(places)))
        for at, row in enumerate(self._checked(lines, start)):
            for column, place in enumerate(places):
                number = np.nan if _is_missing(row[place]) else _number(row[place])
                if number is None:
                    raise ValueError(
                        f"{self.path}: row {start + at}, column {self.names[place]}: expected a number, got"
                        f" {row[place]!r}"
                    )
                values[at, column] = number
        return values

    def _checked(self, lines: list[str], start: int = 0) -> Iterator[list[str]]:
        for at, row in enumerate(self._fields(lines)):
            if len(row) != len(self.names):
                raise ValueError(
                    f"{self.path}: row {start + at} has {len(row)} values, expected {len(self.names)}, as in"
                    " the first line"
                )
            yield row

    def _fields(self, lines: list[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=True)

    def _parts(self, rows: int) -> Iterator[tuple[int, list[str]]]:
        """Lines of values, so many at a time, with the first one's row."""
        with self._lines() as lines:
            start = 0
            for _ in range(self.has_names):
                next(lines)
            while part := list(islice(lines, rows)):
                yield start, part
                start += len(part)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        open_text: Any = gzip.open if self.path.suffix.lower() == ".gz" else open
        with open_text(self.path, "rt", encoding="utf-8-sig") as file:
            yield (line.rstrip("\r\n") for line in file if line.strip())


def _are_names(rows: list[list[str]]) -> bool:
    """Whether the first row has the columns' names: 0, 1, ... above other numbers, or texts above numbers."""
    first, second = rows[0], rows[min(1, len(rows) - 1)]
    counted = first[1:] if first[0] == "" else first
    if counted != second[-len(counted) :] and counted == list(map(str, range(len(counted)))):
        return True
    words = [
        [not _is_missing(field) and _kind([field]) == "other" for field in row] for row in (first, second)
    ]
    return any(words[0]) and words[0] != words[1]


def _kind(fields: list[str]) -> str:
    """What most of the fields hold: "integer", "fraction", "list" or "other", which is also said of none."""
    given = [field.strip() for field in fields if not _is_missing(field)]
    if not given:
        return "other"
    if 2 * sum(_number(field) is None for field in given) >= len(given):
        return "list" if all(field[0] == "[" and field[-1] == "]" for field in given) else "other"
    return "integer" if all(field.lstrip("+-").isdigit() for field in given) else "fraction"


def _is_missing(field: str) -> bool:
    return field.strip().lower() in MISSING


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None
