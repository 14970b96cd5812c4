"""Matrices of agreement across all inputs, as a picture."""

import io
from pathlib import Path

from eigenstep.comparison._matrix import TITLES, letters, matrices
from eigenstep.comparison._result import SideBySide
from eigenstep.record import atomic_write


def draw_matrices(found: SideBySide, path: str | Path) -> Path:
    """Write a picture, .png or .pdf: a matrix for each measure, with its chance levels small below.

    Raises ValueError if matplotlib is not installed, or for another suffix.
    """
    path = Path(path)
    if path.suffix not in (".png", ".pdf"):
        raise ValueError(f"expected a picture's name that ends in .png or .pdf, got {path}")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ValueError("pictures need matplotlib; install it by pip install 'eigenstep[train]'") from error
    drawn, names = matrices(found), letters(len(found.inputs))
    size = max(2.4, 0.62 * len(names))
    legend = 0.22 * (len(names) + 1)
    figure = Figure(figsize=(2 * size + 1.2, 2 * size + 1.4 + legend), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for place, matrix in zip(axes, drawn, strict=True):
        image = place.imshow(matrix.values, vmin=0, vmax=1, cmap="viridis")
        place.set_title(TITLES[matrix.measure], fontsize=10)
        place.set_xticks(range(len(names)), names, fontsize=9)
        place.set_yticks(range(len(names)), names, fontsize=9)
        for row, column in ((i, j) for i in range(len(names)) for j in range(len(names)) if i != j):
            value, chance = matrix.values[row, column], matrix.chances[row, column]
            colour = "white" if value < 0.6 else "black"
            place.text(column, row, f"{value:.2f}", ha="center", va="bottom", fontsize=8, color=colour)
            place.text(column, row, f"{chance:.2f}", ha="center", va="top", fontsize=5.5, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.6)
    listed = zip(names, found.inputs, found.moments, strict=True)
    lines = [f"{name}  {given.name}, {when}" for name, given, when in listed]
    figure.supxlabel(
        "\n".join([*lines, f"{found.images} images; small: by chance"]), fontsize=8, x=0.02, ha="left"
    )
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], dpi=150)
    atomic_write(path, content.getvalue())
    return path
