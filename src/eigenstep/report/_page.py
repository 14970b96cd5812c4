"""The page: templates filled with words, data as JSON, everything inline."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from eigenstep.pages import page
from eigenstep.report._section import RunSection

SCRIPTS = ("theme.js", "plots.js", "cloud.js", "page.js")


@dataclass(frozen=True)
class RenderedRun:
    """What the page says and draws of a run, without the name by which the page's parts know it.

    Attributes
    ----------
    words : dict[str, Any]
        For the template.
    drawing : str
        For the scripts, a JSON object.
    has_closed_form : bool
        Whether it is shown beside one.
    """

    words: dict[str, Any]
    drawing: str
    has_closed_form: bool


@dataclass(frozen=True)
class AbsentRun:
    """A run that cannot be shown, and why."""

    name: str
    reason: str


def rendered(section: RunSection) -> RenderedRun:
    """All that the page has of a run, so that what cannot be shown of it fails here, and alone."""
    drawing = _as_json(section.data())
    return RenderedRun(section.context(), drawing, section.beside is not None)


def render_page(title: str, runs: Sequence[RenderedRun], absent: Sequence[AbsentRun] = ()) -> str:
    """The whole page as text. Names are escaped; nothing in it refers to another file or address.

    Examples
    --------
    >>> text = render_page("My runs", [], [AbsentRun("trial", "it has no measurement yet")])
    >>> text[:15], "it has no measurement yet" in text
    ('<!DOCTYPE html>', True)
    """
    names = [f"run-{index + 1}" for index in range(len(runs))]
    drawings = [f'{{"id":"{name}",{run.drawing[1:]}' for name, run in zip(names, runs, strict=True)]
    return page(
        "eigenstep.report",
        title=title,
        runs=[{"id": name} | run.words for name, run in zip(names, runs, strict=True)],
        absent=absent,
        data=_in_script(f"[{','.join(drawings)}]"),
        plotly=Markup(get_plotlyjs()),
        scripts=Markup("\n".join(_script(name) for name in SCRIPTS)),
    )


def _script(name: str) -> str:
    return files("eigenstep.report").joinpath(name).read_text(encoding="utf-8")


def inline_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in.

    Examples
    --------
    >>> print(inline_json({"loss": [1.5, 0.5]}))
    {"loss":[1.5,0.5]}
    """
    return _in_script(_as_json(value))


def _as_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _in_script(text: str) -> Markup:
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
