"""Figure of E4: the overlaps of all pairs of spaces as a matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from eigenstep.reproduce.figures._style import INK, RULE, figure

SHADES = LinearSegmentedColormap.from_list("overlap", ["#fdfcfa", "#cfd3ee", "#7d83d8", "#3a35c4", "#211d80"])


def agreement_figure(names: Sequence[str], matrix: np.ndarray, chance: float, path: Path) -> None:
    """Write `path`.png and `path`.pdf: overlaps (k, k) of the spaces named, in groups of three."""
    count = len(names)
    with figure(path, 4.3, 6.0) as drawn:
        axes = drawn.subplots()
        image = axes.imshow(matrix, vmin=0, vmax=1, cmap=SHADES)
        for row in range(count):
            for column in range(count):
                value = matrix[row, column]
                ink = "white" if value > 0.55 else INK
                text = "1" if row == column else f"{value:.2f}".lstrip("0")
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)
        for edge in range(3, count, 3):
            axes.axhline(edge - 0.5, color="white", linewidth=2.5)
            axes.axvline(edge - 0.5, color="white", linewidth=2.5)
        short = [name.split(",")[0] for name in names]
        axes.set_xticks(range(count), short, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("Overlap of the spaces spanned over the views")
        bar = drawn.colorbar(image, shrink=0.75, aspect=24)
        bar.outline.set_visible(False)
        bar.ax.axhline(chance, color=INK, linewidth=0.8)
        bar.ax.set_yticks([0, chance, 0.5, 1], ["0", "chance", "0.5", "1"])
        bar.ax.tick_params(length=0, color=RULE)
