"""A comparison as one self-contained page, in the report's style."""

from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import eigenstep
from eigenstep.comparison._matrix import TITLES, Matrix, letters, matrices
from eigenstep.comparison._result import SideBySide
from eigenstep.comparison._tables import learned_of, tables
from eigenstep.record import atomic_write


def write_page(found: SideBySide, path: str | Path) -> Path:
    """Write the page; nothing in it refers to another file or address."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    names = letters(len(found.inputs))
    template = files("eigenstep.comparison").joinpath("page.html").read_text(encoding="utf-8")
    style = files("eigenstep.report").joinpath("page.css").read_text(encoding="utf-8")
    text = environment.from_string(template).render(
        style=Markup(style),
        version=eigenstep.__version__,
        letters=names,
        inputs=[
            {"letter": letter, "name": given.name, "kind": given.kind, "moment": moment, "learned": learned}
            for letter, given, moment, learned in zip(
                names, found.inputs, found.moments, learned_of(found), strict=True
            )
        ],
        images=found.images,
        notes=found.notes,
        matrices=[{"title": TITLES[each.measure], "rows": _cells(each)} for each in matrices(found)],
        tables=tables(found),
    )
    atomic_write(path, text)
    return Path(path)


def _cells(matrix: Matrix) -> list[list[dict[str, float | None]]]:
    return [
        [
            {"value": float(value), "chance": None if np.isnan(chance) else float(chance)}
            for value, chance in zip(*rows, strict=True)
        ]
        for rows in zip(matrix.values, matrix.chances, strict=True)
    ]
