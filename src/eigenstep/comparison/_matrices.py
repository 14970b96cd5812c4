"""The measures of all pairs as matrices: a picture, and a self-contained page in the report's style."""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.comparison._calibrated_tables import map_cells, map_title
from eigenstep.comparison._curves import draw_spans, draw_steps
from eigenstep.comparison._modes_beside import modes_panels
from eigenstep.comparison._result import TITLES, SideBySide
from eigenstep.pages import page
from eigenstep.record import atomic_write

# What is drawn: of the same kind, 1 where inputs agree.
# Of the words below a picture, in 8 points.
LETTERS_AN_INCH = 16
DRAWN = ("overlap", "cka", "procrustes", "neighbours")


def draw_matrices(found: SideBySide, path: str | Path) -> Path:
    """Write a picture, .png or .pdf: a matrix for each measure, with its chance levels small below.

    Where runs are among the inputs, also when each had learned so many modes, and whether they are the same.

    Raises
    ------
    ValueError
        If matplotlib is not installed, or for another suffix.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.comparison import compare
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "mine.npy", np.random.default_rng(0).normal(size=(60, 3)))
    >>> found = compare([folder / "mine.npy"] * 2, resamples=5)
    >>> draw_matrices(found, folder / "agreement.png").name
    'agreement.png'
    """
    path = Path(path)
    if path.suffix not in (".png", ".pdf"):
        raise ValueError(f"expected a picture's name that ends in .png or .pdf, got {path}")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ValueError("pictures need matplotlib; install it by pip install 'eigenstep[train]'") from error
    drawn, names = matrices(found), found.letters
    size = max(2.4, 0.62 * len(names))
    width = 2 * size + 1.2
    told = _key(found, int(LETTERS_AN_INCH * width))
    speedups = [pair.speedup for pair in found.pairs if pair.speedup]
    height, lines = 2 * size + 1.4 + 0.22 * len(told), 3 if speedups else 2
    figure = Figure(figsize=(width, height + bool(speedups) * (size + 0.3)), layout="constrained")
    axes = figure.subplots(lines, 2).ravel()
    for place, matrix in zip(axes[:4], drawn, strict=True):
        image = place.imshow(matrix.values, vmin=0, vmax=1, cmap="viridis")
        place.set_title(TITLES[matrix.measure], fontsize=10)
        place.set_xticks(range(len(names)), names, fontsize=9)
        place.set_yticks(range(len(names)), names, fontsize=9)
        for row, column in ((i, j) for i in range(len(names)) for j in range(len(names)) if i != j):
            value, chance = matrix.values[row, column], matrix.chances[row, column]
            if np.isnan(value):
                continue
            colour = "white" if value < 0.6 else "black"
            place.text(column, row, f"{value:.2f}", ha="center", va="bottom", fontsize=8, color=colour)
            place.text(column, row, f"{chance:.2f}", ha="center", va="top", fontsize=5.5, color=colour)
    figure.colorbar(image, ax=axes[:4], shrink=0.6)
    if speedups:
        draw_steps(axes[4], speedups, names)
        draw_spans(axes[5], speedups, names)
    figure.supxlabel("\n".join(told), fontsize=8, x=0.02, ha="left")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], dpi=150)
    atomic_write(path, content.getvalue())
    return path


def _key(found: SideBySide, width: int) -> list[str]:
    """The lines that say what the letters are, none longer than the picture is wide."""
    listed = zip(found.letters, found.inputs, found.moments, found.rules, strict=True)
    told = [
        f"{letter}  {given.name}, {when}" + (f"; {rule}" if rule else "")
        for letter, given, when, rule in listed
    ]
    told.append(f"{found.images} images; small: by chance")
    return [line for each in told for line in textwrap.wrap(each, width, subsequent_indent="    ")]


def write_page(found: SideBySide, path: str | Path) -> Path:
    """Write the page; nothing in it refers to another file or address."""
    names = found.letters
    text = page(
        "eigenstep.comparison",
        letters=names,
        inputs=[
            {
                "letter": letter,
                "name": given.name,
                "kind": given.kind,
                "moment": moment,
                "learned": learned,
                "rule": rule,
            }
            for letter, given, moment, learned, rule in zip(
                names, found.inputs, found.moments, found.learned_words, found.rules, strict=True
            )
        ],
        images=found.images,
        notes=found.notes,
        maps=[
            {
                "title": map_title("–".join(found.names_of(pair)), each),
                "rows": list(zip(each.rows, map_cells(each), strict=True)),
                "columns": each.columns,
            }
            for pair in found.pairs
            for each in pair.maps
        ],
        modes=[
            panel
            for pair in found.pairs
            if pair.modes
            for panel in modes_panels("–".join(found.names_of(pair)), found.names_of(pair), pair.modes)
        ],
        matrices=[{"title": TITLES[each.measure], "rows": _cells(each)} for each in matrices(found)],
        tables=found.tables(),
    )
    atomic_write(path, text)
    return Path(path)


@dataclass(frozen=True, eq=False)
class AgreementMatrix:
    """A measure of every pair of inputs: values and chance levels (m, m), symmetric, 1 on the diagonal.

    NaN where the measure cannot tell.

    Examples
    --------
    >>> values, chances = np.array([[1.0, 0.8], [0.8, 1.0]]), np.array([[np.nan, 0.1], [0.1, np.nan]])
    >>> matrix = AgreementMatrix("cka", values, chances)
    >>> bool(matrix.values[0, 1] > matrix.chances[0, 1])  # more than by chance
    True
    """

    measure: str
    values: NDArray[np.float64]
    chances: NDArray[np.float64]


def matrices(found: SideBySide) -> list[AgreementMatrix]:
    """The measures that are drawn.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.comparison import compare
    >>> folder, generator = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> for name in ("a.npy", "b.npy"):
    ...     np.save(folder / name, generator.normal(size=(60, 3)))
    >>> overlap, *others = matrices(compare([folder / "a.npy", folder / "b.npy"], resamples=5))
    >>> overlap.measure, overlap.values.round(2)
    ('overlap', array([[1.  , 0.08],
           [0.08, 1.  ]]))
    """
    count = len(found.inputs)
    drawn = []
    for measure in DRAWN:
        values, chances = np.eye(count), np.full((count, count), np.nan)
        for pair in found.pairs:
            agreement = pair.whole.get(measure)
            told = (agreement.value, agreement.chance) if agreement else (np.nan, np.nan)
            for place in ((pair.first, pair.second), (pair.second, pair.first)):
                values[place], chances[place] = told
        drawn.append(AgreementMatrix(measure, values, chances))
    return drawn


def _cells(matrix: AgreementMatrix) -> list[list[dict[str, float | None]]]:
    return [
        [{"value": _told(value), "chance": _told(chance)} for value, chance in zip(*rows, strict=True)]
        for rows in zip(matrix.values, matrix.chances, strict=True)
    ]


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
