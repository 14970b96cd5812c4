"""What the files of a run folder say: one parser for each form, for whoever reads a run or follows one.

Each raises ValueError, in one line and without the file's name, for what is not in the documented form.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# The last entry of a line: the CRC-32 of the line without it.
CHECK = "crc32"
# Columns of runs made before they had the names that they have now.
RENAMED = {"measures/learned_modes": "measures/modes_past_half"}


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object, for example a line of the metrics.

    Examples
    --------
    >>> parse_object('{"step": 5, "terms": {"diagonal": 0.5}}')
    {'step': 5, 'terms': {'diagonal': 0.5}}
    """
    try:
        return _named(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def checked_line(row: Mapping[str, Any]) -> str:
    r"""A line of a JSON-lines file, whose last entry is the CRC-32 of the line without it.

    Examples
    --------
    >>> checked_line({"step": 5})
    '{"step": 5, "crc32": 1592480825}\n'
    """
    text = json.dumps(row)
    return f'{text[:-1]}, "{CHECK}": {zlib.crc32(text.encode())}}}\n'


def parse_line(line: bytes) -> dict[str, Any]:
    """What a line says, without its checksum, which lines of older versions, or edited by hand, have not."""
    check = re.search(rf', "{CHECK}": (\d+)\}}\s*$'.encode(), line)
    if check is None:
        found = parse_object(line)
        found.pop(CHECK, None)
        return found
    text = line[: check.start()] + b"}"
    if zlib.crc32(text) != int(check[1]):
        raise ValueError("its checksum is that of another line")
    return parse_object(text)


def parse_config(text: str) -> dict[str, Any]:
    """A configuration in YAML, of which JSON, which the monitor writes, is a part."""
    try:
        return parse_object(text)
    except ValueError:
        import yaml  # not needed by those who only watch or predict

        try:
            return _named(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {})
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error


def parse_layout(text: str) -> np.dtype[Any]:
    """The data type of a table's rows: step, time and columns of numbers.

    Examples
    --------
    >>> parse_layout('{"columns": [["step", "<i8", []], ["time", "<f8", []], ["points", "<f4", [2]]]}')
    dtype([('step', '<i8'), ('time', '<f8'), ('points', '<f4', (2,))])
    """
    try:
        columns = [(name, kind, tuple(shape)) for name, kind, shape in parse_object(text)["columns"]]
        layout = np.dtype(columns)
    except (KeyError, TypeError) as error:
        raise ValueError(repr(error)) from error
    if layout.hasobject or not {"step", "time"} <= set(layout.names or ()):
        raise ValueError("expected columns step, time and numbers")
    return layout


def numbers_of(row: dict[str, Any], *, strict: bool = False) -> dict[str, float]:
    """The numbers in a line, by name; those in an object as OBJECT/NAME, where null is NaN.

    What is no number is passed over. With `strict`, a loss's terms and the measures must be numbers.

    Examples
    --------
    >>> numbers_of({"step": 5, "loss": None, "note": "x", "measures": {"rank_me": 2.5, "alpha_req": None}})
    {'step': 5, 'measures/rank_me': 2.5, 'measures/alpha_req': nan}
    """
    if strict:
        for group in ("terms", "measures"):
            values = row.get(group) or {}
            if not isinstance(values, dict):
                raise ValueError(f"expected names and values as {group}, got {type(values).__name__}")
            for name, value in values.items():
                if not (value is None or isinstance(value, int | float)):
                    raise ValueError(f"it has a value that is no number: {group}/{name} is {value!r}")
    return {RENAMED.get(name, name): value for name, value in _numbers(row, "")}


def _numbers(row: dict[str, Any], group: str) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, int | float):
            yield group + name, value
        elif isinstance(value, dict):
            yield from _numbers(value, f"{group}{name}/")
        elif value is None and group:
            yield group + name, np.nan


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected names and values, got {type(value).__name__}")
    return value
