"""The files of the page, by name; nothing else of the disk is served."""

import hashlib
from functools import cache
from importlib.resources import files

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
OWN = (
    "page.html",
    "live.css",
    "closer-look.js",
    "cloud-panel.js",
    "compare.js",
    "figures.js",
    "main.js",
    "measures.js",
    "modes-panel.js",
    "packed.js",
    "palette.js",
    "route.js",
    "run.js",
    "sparkline.js",
    "store.js",
    "table.js",
    "words.js",
)
# The look of all pages, the report's drawing, and plotly.js from its Python package.
SHARED = {
    "report.css": ("eigenstep.pages", "page.css"),
    "theme.js": ("eigenstep.report", "theme.js"),
    "plots.js": ("eigenstep.report", "plots.js"),
    "cloud.js": ("eigenstep.report", "cloud.js"),
    "plotly.js": ("plotly", "package_data/plotly.min.js"),
}
PLACES = {**{name: ("eigenstep.live", f"page/{name}") for name in OWN}, **SHARED}


@cache
def page_file(name: str) -> tuple[bytes, str, str]:
    """Content, kind and a tag that is another one for other content. Raises KeyError for an unknown name.

    Examples
    --------
    >>> page_file("page.html")[1]
    'text/html'
    """
    package, path = PLACES[name]
    content = files(package).joinpath(path).read_bytes()
    return content, KINDS[name.rsplit(".", 1)[1]], f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
