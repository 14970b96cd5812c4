"""The page: templates filled with words, data as JSON, everything inline."""

import json
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

import eigenstep
from eigenstep.report._section import RunSection

SCRIPTS = ("theme.js", "plots.js", "cloud.js", "page.js")


def render_page(title: str, sections: list[RunSection]) -> str:
    """The whole page as text. Names are escaped; nothing in it refers to another file or address."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    identifiers = [f"run-{index + 1}" for index in range(len(sections))]
    pairs = list(zip(sections, identifiers, strict=True))
    return environment.from_string(_template("page.html")).render(
        title=title,
        version=eigenstep.__version__,
        runs=[section.context(identifier) for section, identifier in pairs],
        data=inline_json([section.data(identifier) for section, identifier in pairs]),
        style=Markup(_template("page.css")),
        plotly=Markup(get_plotlyjs()),
        scripts=Markup("\n".join(_template(name) for name in SCRIPTS)),
    )


def _template(name: str) -> str:
    return files("eigenstep.report").joinpath(name).read_text(encoding="utf-8")


def inline_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
