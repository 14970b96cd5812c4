"""Calibrated agreement as tables and plain numbers."""

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from eigenstep.comparison._calibrated_pair import InputMap
from eigenstep.comparison._calibration import Calibrated
from eigenstep.comparison._text_table import TextTable
from eigenstep.comparison.measures import AGREEMENTS


def calibrated_table(title: str, found: dict[str, Calibrated]) -> TextTable:
    """One pair by every measure: its value, what shuffled images give, z and p."""
    rows = [
        [
            AGREEMENTS[name].title,
            f"{each.value:z.3f}",
            f"{each.chance:z.3f} ± {each.spread:z.3f}",
            "–" if each.z is None else f"{each.z:.1f}",
            f"{each.p:z.3f}",
        ]
        for name, each in found.items()
    ]
    note = "by chance: mean and deviation over shuffled images; p of each by itself; the angle in radians"
    return TextTable(title, ["measure", "value", "by chance", "z", "p"], rows, note)


def map_table(pair: str, letters: tuple[str, str], found: InputMap) -> TextTable:
    """Of each of the first's layers or checkpoints the one of the second's that agrees most."""
    values = found.found
    rows = []
    for row, name in enumerate(found.rows):
        column = int(values.values[row].argmax())
        cell = [each[row, column] for each in (values.values, values.chances)]
        p = values.searched_p[row, column]
        rows.append([name, found.columns[column], *(f"{each:z.3f}" for each in cell), f"{p:z.3f}"])
    row, column = values.best
    searched = values.values.size
    note = (
        f"closest of all {searched}: {letters[0]}'s {found.rows[row]} and {letters[1]}'s"
        f" {found.columns[column]}, {values.values[row, column]:z.3f}, p ="
        f" {values.searched_p[row, column]:z.3f}; p is corrected for having looked at {searched}"
    )
    first = found.which_first(letters)
    note += f"; {first}" if first else ""
    header = [letters[0], f"closest of {letters[1]}", "value", "chance", "p"]
    return TextTable(map_title(pair, found), header, rows, note)


def map_title(pair: str, found: InputMap) -> str:
    """What a map is of."""
    return f"{pair}, {found.over}, {AGREEMENTS[found.found.measure].title}"


def map_json(found: InputMap, letters: tuple[str, str]) -> dict[str, Any]:
    """A map as plain numbers and names; z is null where shuffling changes nothing."""
    values = found.found
    return {
        "over": found.over,
        "measure": values.measure,
        "rows": found.rows,
        "columns": found.columns,
        "values": values.values.tolist(),
        "chances": values.chances.tolist(),
        "z": _plain(values.z),
        "p": values.p.tolist(),
        "searched_p": values.searched_p.tolist(),
        "best": list(values.best),
        "which_first": found.which_first(letters) or None,
    }


def map_cells(found: InputMap) -> list[list[dict[str, float]]]:
    """A map as the page colours it: 0 by chance, or less, to 1."""
    return [
        [{"value": float(value), "share": min(max(float(value), 0.0), 1.0)} for value in row]
        for row in found.found.values
    ]


def _plain(values: NDArray[Any]) -> list[list[float | None]]:
    rows: Sequence[Sequence[float]] = values.tolist()
    return [[None if math.isnan(each) else each for each in row] for row in rows]
