"""A spectrum as a figure in a file: a page of its own, or a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.record import atomic_write

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (".html", *PICTURES)
COLOURS = ("#3a35c4", "#de7a2c")
INK, MUTED, GRID, PAPER = "#1c1e22", "#63666d", "#ece9e2", "#fdfcfa"


def check_figure(path: Path, overwrite: bool) -> None:
    """Raise ValueError if the name is not a figure's, FileExistsError if the file is to be kept.

    Examples
    --------
    >>> check_figure(Path("no-such-figure.png"), overwrite=False)
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"expected a plot's name that ends in {', '.join(SUFFIXES)}, got {path}")
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; expected the name of a file to write")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use --overwrite to replace it, or another --plot")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.suffix in PICTURES:
        _matplotlib()


def write_spectrum_figure(path: Path, spectra: Mapping[str, np.ndarray], title: str, note: str) -> None:
    """Draw eigenvalues by rank on a logarithmic scale; an .html file holds all that it needs.

    Parameters
    ----------
    spectra : Mapping[str, np.ndarray]
        Eigenvalues (k,), descending, by name; those that are not positive are left out.
    title, note : str
        What stands above the figure.
    """
    draw = _picture if path.suffix in PICTURES else _page
    atomic_write(path, draw(path.suffix, spectra, title, note))


def _page(suffix: str, spectra: Mapping[str, np.ndarray], title: str, note: str) -> bytes:
    from html import escape

    from plotly import graph_objects
    from plotly.io import to_html

    figure = graph_objects.Figure()
    for (name, values), colour in zip(spectra.items(), COLOURS, strict=False):
        ranks = np.flatnonzero(values > 0)
        figure.add_scatter(
            x=ranks + 1,
            y=values[ranks],
            name=name,
            mode="lines+markers" if len(ranks) <= 256 else "lines",
            line={"color": colour, "width": 2},
            marker={"size": 5},
            hovertemplate="%{x}: %{y:.4g}",
        )
    figure.update_layout(
        title={
            "text": escape(title),
            "subtitle": {"text": escape(note), "font": {"color": MUTED}},
            "x": 0.02,
            "xanchor": "left",
        },
        xaxis={"title": "rank", "gridcolor": GRID},
        yaxis={
            "title": "eigenvalue",
            "type": "log",
            "dtick": 1,
            "exponentformat": "power",
            "gridcolor": GRID,
        },
        font={"color": INK},
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        showlegend=len(spectra) > 1,
        hovermode="x",
    )
    return to_html(figure, include_plotlyjs=True, config={"displaylogo": False, "responsive": True}).encode()


def _picture(suffix: str, spectra: Mapping[str, np.ndarray], title: str, note: str) -> bytes:
    import io

    figure = _matplotlib()(figsize=(8, 5), layout="constrained", facecolor=PAPER)
    axes = figure.subplots()
    axes.set_facecolor(PAPER)
    for (name, values), colour in zip(spectra.items(), COLOURS, strict=False):
        ranks = np.flatnonzero(values > 0)
        axes.plot(
            ranks + 1, values[ranks], color=colour, label=name, marker="o" if len(ranks) <= 256 else "", ms=3
        )
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel("eigenvalue")
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.02, ha="left", color=INK, parse_math=False)
    axes.set_title(note, loc="left", fontsize="small", color=MUTED, parse_math=False)
    if len(spectra) > 1:
        axes.legend(frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format=suffix.removeprefix("."), dpi=150)
    return content.getvalue()


def _matplotlib() -> Any:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ValueError(
            "pictures need matplotlib; install it by pip install 'eigenstep[train]', or name an .html file"
        ) from error
    return Figure
