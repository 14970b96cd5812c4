"""The figure of E7: who agrees with whom at the end, and families over training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from eigenstep.reproduce._e4_agreement import SHADES
from eigenstep.reproduce._e7_verdicts import WaysAgreement, family_pairs
from eigenstep.reproduce._e7_ways import CROPS
from eigenstep.reproduce._figure_style import INK, MUTED, figure, mode_colours


def hypothesis_figure(
    titles: Sequence[str], steps: Sequence[int], course: Sequence[WaysAgreement], path: Path
) -> None:
    """Write `path`.png and `path`.pdf: the matrix of all ways at the end, and families' agreement by step."""
    with figure(path, 4.6, 9.6) as drawn:
        matrix, curves = drawn.subplots(1, 2, width_ratios=(1.35, 1))
        _draw_matrix(matrix, titles, course[-1])
        _draw_curves(curves, steps, course)


def _draw_matrix(axes: Axes, titles: Sequence[str], found: WaysAgreement) -> None:
    """Other seeds on and below the diagonal, the same start above it; references in the last rows."""
    others, same = found.of_other_seeds().mean(axis=0), found.of_same_start().mean(axis=0)
    ways = len(titles)
    beside = np.array([each.mean(axis=0) for each in found.references.values()])
    values = np.vstack([np.where(np.tri(ways, dtype=bool), others, same), beside])
    axes.imshow(values, vmin=0.2, vmax=1, cmap=SHADES)
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}".replace("0.", ".", 1)
        ink = "white" if value > 0.65 else INK
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=5.5)
    families = found.families
    edges = [place for place in range(1, ways) if families[place] != families[place - 1]]
    for edge in (*edges, ways):
        axes.axhline(edge - 0.5, color="white", linewidth=2)
        axes.axvline(edge - 0.5, color="white", linewidth=2)
    axes.set_xticks(range(ways), titles, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(values)), [*titles, *found.references])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("At the end: below the diagonal other seeds, above it the same start")


def _draw_curves(axes: Axes, steps: Sequence[int], course: Sequence[WaysAgreement]) -> None:
    """Of the families that have several ways: one is told by its own seeds alone."""
    end = course[-1]
    families = [family for family in dict.fromkeys(end.families) if family != CROPS]
    several = [family for family in families if len(end.places(family)) > 1]
    pairs = [pair for pair in family_pairs(end) if set(pair) <= set(several)]
    for pair, colour in zip(pairs, mode_colours(len(pairs)), strict=True):
        first, second = pair
        name = f"within {first}" if first == second else f"{first} – {second}"
        across = np.array([found.across(*pair) for found in course])
        style = "-" if first == second else "--"
        mean, spread = across.mean(axis=1), across.std(axis=1, ddof=1)
        axes.errorbar(steps, mean, spread, color=colour, linestyle=style, label=name, capsize=1.5)
    ends = (("ceiling: seeds of one way", "ceiling", "-."), ("floor: nobody trained", "floor", ":"))
    for label, name, style in ends:
        curve = [getattr(found, name)(*families).mean() for found in course]
        axes.plot(steps, curve, color=MUTED, linestyle=style, label=label)
    axes.set(title="Families over training, other seeds", xlabel="step", ylim=(None, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
