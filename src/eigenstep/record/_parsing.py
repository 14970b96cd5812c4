"""What the files of a run folder say: one parser for each form, for whoever reads a run or follows one.

Each raises ValueError, in one line and without the file's name, if the text is not in the documented form.
"""

import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from eigenstep.record._trees import parse_json, parse_yaml

# The last entry of a line: the CRC-32 of the line without it.
CHECK = "crc32"

# A line longer than that is damaged, and so is one with more numbers.
LINE_BYTES, MOST_NUMBERS = 2**20, 1000
# Within how many objects a line's numbers may stand.
MOST_GROUPS = 4
# Of a configuration, a table's row, and a closed form.
CONFIG_CHARACTERS, ROW_BYTES, MOST_MODES = 2**16, 2**22, 2**14
# Values that a loss has by itself.
MOST_LANDMARKS = 64
# Columns of runs made before they had the names that they have now.
RENAMED = {"measures/learned_modes": "measures/modes_past_half"}


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object, for example a line of the metrics.

    Examples
    --------
    >>> parse_object('{"step": 5, "terms": {"diagonal": 0.5}}')
    {'step': 5, 'terms': {'diagonal': 0.5}}
    """
    return _named(parse_json(text))


def checked_line(row: Mapping[str, Any]) -> str:
    r"""A line of a JSON-lines file, whose last entry is the CRC-32 of the line without it.

    Examples
    --------
    >>> checked_line({"step": 5})
    '{"step": 5, "crc32": 1592480825}\n'
    """
    return json.dumps(dict(row) | {CHECK: zlib.crc32(json.dumps(row).encode())}) + "\n"


def parse_line(line: bytes) -> dict[str, Any]:
    """What a line says, without its checksum, which lines of older versions have not."""
    if len(line) > LINE_BYTES:
        raise ValueError(f"it has more than {LINE_BYTES:,} bytes")
    check = re.search(rf', "{CHECK}": (\d+)\}}\s*$'.encode(), line)
    if check is None:
        return {name: value for name, value in _line(line).items() if name != CHECK}  # written anew
    text = line[: check.start()] + b"}"
    if zlib.crc32(text) != int(check[1]):
        raise ValueError("its checksum is that of another line")
    return _line(text)


def parse_config(text: str) -> dict[str, Any]:
    """A configuration in YAML, of which JSON, which the monitor writes, is a part."""
    if len(text) > CONFIG_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters; expected at most {CONFIG_CHARACTERS:,}")
    try:
        return parse_object(text)
    except ValueError:
        return _named(parse_yaml(text) or {})


def parse_prediction(text: str) -> dict[str, Any]:
    """A closed form, of no more modes than can be drawn."""
    entries = parse_object(text)
    for name, value in entries.items():
        if isinstance(value, list) and len(value) > MOST_MODES:
            raise ValueError(f"{name} has {len(value):,} entries; expected at most {MOST_MODES:,}")
    return entries


def parse_landmarks(text: str) -> tuple[tuple[str, float, str], ...]:
    """The values that a run's loss has by itself: of each its name, the value and what it says.

    Examples
    --------
    >>> parse_landmarks('{"landmarks": [{"name": "floor", "value": 0, "says": "views are one"}]}')
    (('floor', 0.0, 'views are one'),)
    """
    listed = parse_object(text).get("landmarks")
    if not isinstance(listed, list) or len(listed) > MOST_LANDMARKS:
        raise ValueError(f"expected a list of at most {MOST_LANDMARKS} landmarks")
    found = []
    for each in listed:
        entry = each if isinstance(each, dict) else {}
        name, value, says = entry.get("name"), entry.get("value", math.nan), entry.get("says")
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
        if not (isinstance(name, str) and isinstance(says, str) and is_number):
            raise ValueError(f"expected name, value and says of each landmark, got {each!r:.80}")
        try:
            found.append((name, float(value), says))
        except OverflowError as error:
            raise ValueError(f"the value of the landmark {name!r:.80} is no float64") from error
    return tuple(found)


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
    except (KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(repr(error)) from error
    kinds = {name: layout[name] for name in layout.names or ()}
    if not (
        {"step", "time"} <= kinds.keys()
        and (kinds["step"].kind, kinds["time"].kind) == ("i", "f")
        and all(kind.base.kind in "iuf" for kind in kinds.values())
    ):
        raise ValueError("expected columns step, time and numbers")
    if layout.itemsize > ROW_BYTES:
        raise ValueError(f"its rows have {layout.itemsize:,} bytes; expected at most {ROW_BYTES:,}")
    return layout


def numbers_of(row: dict[str, Any], *, strict: bool = False) -> dict[str, float]:
    """The numbers in a line, by name; those in an object as OBJECT/NAME, where null is NaN.

    What is no number is passed over. With `strict`, a loss's terms and the measures must be numbers. Raises
    ValueError for a number that is no double, or for too many.

    Examples
    --------
    >>> numbers_of({"step": 5, "loss": None, "note": "x", "measures": {"rank_me": 2.5, "alpha_req": None}})
    {'step': 5.0, 'measures/rank_me': 2.5, 'measures/alpha_req': nan}
    """
    if strict:
        for group in ("terms", "measures"):
            values = row.get(group) or {}
            if not isinstance(values, dict):
                raise ValueError(f"expected names and values as {group}, got {type(values).__name__}")
            for name, value in values.items():
                if not (value is None or isinstance(value, int | float)):
                    raise ValueError(f"it has a value that is not a number: {group}/{name} is {value!r}")
    found = {RENAMED.get(name, name): value for name, value in _numbers(row, "", MOST_GROUPS)}
    if len(found) > MOST_NUMBERS:
        raise ValueError(f"it has {len(found):,} numbers; expected at most {MOST_NUMBERS:,}")
    return found


def _numbers(row: dict[str, Any], group: str, levels: int) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, int | float):
            try:
                yield group + name, float(value)
            except OverflowError as error:
                raise ValueError(f"it has a value that is not a number: {group}{name}") from error
        elif isinstance(value, dict) and levels:
            yield from _numbers(value, f"{group}{name}/", levels - 1)
        elif value is None and group:
            yield group + name, np.nan


def _line(text: bytes) -> dict[str, Any]:
    """A JSON object that is short."""
    try:
        return _named(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected names and values, got {type(value).__name__}")
    return value
