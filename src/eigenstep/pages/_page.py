"""A page as one text: a package's template, filled, in the look that all pages share."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import eigenstep


def page(package: str, **words: Any) -> str:
    """The `page.html` of a package, filled with words, with `style` and `version` beside them.

    Parameters
    ----------
    package : str
        Whose template it is, such as "eigenstep.modes".
    **words : Any
        By the names that the template has for them. Texts are escaped, unless they are `Markup`.

    Raises
    ------
    jinja2.UndefinedError
        For a name of the template that is not among them.

    Examples
    --------
    >>> text = page("eigenstep.report", title="<A>", runs=[], absent=[], data="[]", plotly="", scripts="")
    >>> text[:15], "&lt;A&gt;" in text
    ('<!DOCTYPE html>', True)
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_text(package, "page.html"))
    style = Markup(_text("eigenstep.pages", "page.css"))
    return template.render(style=style, version=eigenstep.__version__, **words)


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
