"""Lists of paths with labels, CSV or JSON, as tables in memory."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eigenstep.images.sources._columns import Column
from eigenstep.images.sources._kinds import kind_by_name, suffix
from eigenstep.images.sources._table_files import Part

_DELIMITERS = ",;\t|"


class ListFile:
    """A list as a table of one group of rows: what `TableFile` is for files of tables.

    Parameters
    ----------
    path : str
        CSV with a header, JSON (a list of objects, or an object of lists) or a line of JSON for each row.
    text : str | None
        A column that is read as text, though its values may be numbers.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """

    fault = None

    def __init__(self, path: str, text: str | None = None) -> None:
        import pyarrow

        self.path = path
        try:
            is_json = suffix(path) in (".json", ".jsonl", ".ndjson")
            self._table = _table_of(_json_columns(path)) if is_json else _read_csv(path, text)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"expected text in UTF-8, got other bytes at {error.start:,}; save it as UTF-8"
            ) from error
        except (OSError, pyarrow.ArrowException, ValueError, RecursionError) as error:
            raise ValueError(" ".join(str(error).split())) from error
        self.groups = [self._table.num_rows]

    @property
    def schema(self) -> Any:
        return self._table.schema

    def read(self, group: int, columns: Sequence[Column]) -> list[Part]:
        return [Part(self.groups[group], self._table)]

    def first(self, column: Column, count: int) -> list[Any]:
        return list(column.of(self._table.slice(0, count)).to_pylist())

    def group_bytes(self) -> list[int]:
        return []

    def damage(self, column: Column) -> str | None:
        return None


def _read_csv(path: str, text: str | None) -> Any:
    import pyarrow
    import pyarrow.csv

    with open(path, encoding="utf-8-sig", newline="") as file:
        line = file.readline()
    delimiter = max(_DELIMITERS, key=line.count)
    names = next(csv.reader([line], delimiter=delimiter), [])
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"expected columns of different names, got {', '.join(twice)} more than once")
    if any(kind_by_name(name) == "image" for name in names):
        raise ValueError(f"its first line names an image ({line.strip()}); expected the columns' names there")
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types={text: pyarrow.string()} if text else None),
    )


def _json_columns(path: str) -> dict[str, list[Any]]:
    content = Path(path).read_text(encoding="utf-8-sig")
    if suffix(path) != ".json":
        return _columns_of([json.loads(line) for line in content.split("\n") if line.strip()])
    try:
        tree = json.loads(content)
    except ValueError:  # a line for each row, as pandas and others call JSON too
        return _columns_of([json.loads(line) for line in content.split("\n") if line.strip()])
    if isinstance(tree, dict):
        lists = {name: value for name, value in tree.items() if isinstance(value, list)}
        if len(lists) == 1 and all(isinstance(row, dict) for row in next(iter(lists.values()))):
            tree = next(iter(lists.values()))
        elif len(lists) == len(tree) and len({len(value) for value in lists.values()}) == 1:
            return lists
    return _columns_of(tree)


def _columns_of(rows: Any) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected a list of objects, each with the path of an image, or an object of lists")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _table_of(columns: dict[str, list[Any]]) -> Any:
    import pyarrow

    return pyarrow.table({name: _array(values) for name, values in columns.items()})


def _array(values: list[Any]) -> Any:
    """Values of several kinds become text."""
    import pyarrow

    for kind in _kinds():
        try:
            return pyarrow.array(values, kind)
        except (pyarrow.ArrowException, OverflowError, TypeError):
            continue
    return pyarrow.array([None if value is None else str(value) for value in values])


def _kinds() -> Iterator[Any]:
    import pyarrow

    yield from (None, pyarrow.uint64())
