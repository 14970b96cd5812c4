"""How all figures look, and how they are saved."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from eigenstep.record import atomic_write

# A page's text width, in inches.
WIDTH = 6.75
INK, MUTED, RULE, FAINT = "#1c1e22", "#63666d", "#b9b6ae", "#cfccc4"
# The report's colours of modes, from the first to be learned to the last.
MODES = LinearSegmentedColormap.from_list(
    "modes", ["#3a35c4", "#6b2cc0", "#942bb2", "#b93198", "#d24579", "#df5f5a", "#de7a2c"]
)
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.visible": False,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
}


@contextmanager
def figure(path: Path, height: float, width: float = WIDTH) -> Iterator[Figure]:
    """A figure to draw on, saved as `path`.png and `path`.pdf when the block ends.

    Drawn without pyplot, so that no display is needed and the caller's own figures are left alone.
    """
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]  # it asks for literal names
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn
        for suffix in ("png", "pdf"):
            metadata = {"CreationDate": None} if suffix == "pdf" else {}
            content = io.BytesIO()
            drawn.savefig(content, format=suffix, dpi=180, metadata=metadata)
            atomic_write(path.with_suffix(f".{suffix}"), content.getvalue())


def mode_colours(count: int) -> list[Any]:
    """One colour a mode, in the order of learning."""
    return [MODES(place) for place in np.linspace(0, 1, max(count, 2))][:count]


def draw_eigenvalues(axes: Axes, x: np.ndarray, curves: np.ndarray, learned: Sequence[int]) -> None:
    """Eigenvalues (T, d) over x: those of learned modes in colours, the others faint and behind."""
    colours = dict(zip(learned, mode_colours(len(learned)), strict=True))
    for rank, curve in enumerate(curves.T):
        if rank in colours:
            axes.plot(x, curve, color=colours[rank], zorder=3)
        else:
            axes.plot(x, curve, color=FAINT, linewidth=0.6, zorder=1)


def mark_half_times(panels: Sequence[Axes], moments: Sequence[float]) -> None:
    """A thin line through the panels where each mode is half learned."""
    for axes in panels:
        for moment in moments:
            axes.axvline(moment, color=FAINT, linewidth=0.6, zorder=0)
