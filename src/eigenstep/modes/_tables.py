"""An explanation as tables of words, for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenstep.comparison import TextTable
from eigenstep.modes._names import short

if TYPE_CHECKING:
    from eigenstep.modes._explanation import Explanation

# Statistics that are listed, those that explain most.
ROWS = 12


def tables(found: Explanation, rows: int = ROWS) -> list[TextTable]:
    """Shares; what is known when; snapshots of a run; worth."""
    listed = [_shares(found, rows), _known(found, rows)]
    if found.snapshots:
        listed.append(_snapshots(found))
    return [*listed, *_worth(found)]


def _shares(found: Explanation, rows: int) -> TextTable:
    whole = [name for name in found.shares if name not in found.statistics]
    ranked = sorted(set(found.shares) - set(whole), key=lambda name: -max(found.shares[name]))
    listed = [*whole, *ranked[:rows]]
    rest = len(ranked) - len(listed) + len(whole)
    return TextTable(
        "Share of the span of the first k modes that statistics explain, held out",
        ["", *(f"k = {k}" for k in found.sizes)],
        [[name, *(short(max(share, 0.0)) for share in found.shares[name])] for name in listed],
        f"and {rest} more that explain less" if rest > 0 else "",
    )


def _known(found: Explanation, rows: int) -> TextTable:
    known = {name: place for name, place in found.known.items() if place is not None}
    order = sorted(known, key=lambda name: (known[name], -found.readable[found.statistics.index(name)].max()))
    unit = "step" if found.in_steps else "modes"
    listed = []
    for name in order[: 2 * rows]:
        curve = found.readable[found.statistics.index(name)]
        listed.append([name, f"{known[name]:,}", short(curve.max()), short(curve[-1])])
    never = [name for name in found.statistics if name not in known]
    more = len(order) - len(listed)
    note = [f"and {more} more"] if more > 0 else []
    if never:
        note.append(f"never: {', '.join(never)}")
    return TextTable(
        "Known when: what can be read off with R² of .5 or more, held out",
        ["", f"from {unit}", "best R²", "last R²"],
        listed,
        "; ".join(note),
    )


def _snapshots(found: Explanation) -> TextTable:
    return TextTable(
        "At each snapshot: what all statistics explain of the first k directions, and the first names",
        ["step", "directions", *(f"k = {k}" for k in found.sizes), "names"],
        [
            [
                f"{each.step:,}",
                str(each.modes),
                *(short(max(share, 0.0)) for share in each.shares),
                *["–"] * (len(found.sizes) - len(each.shares)),
                "; ".join(_which(one.first, one.last) + one.name for one in each.names if one.statistics)
                or "–",
            ]
            for each in found.snapshots
        ],
    )


def _which(first: int, last: int) -> str:
    return f"{first} " if first == last else f"{first}-{last} "


def _worth(found: Explanation) -> list[TextTable]:
    if found.worth is None:
        return []
    edges = [(1, 4), (5, 8), (9, 16), (17, 32), (33, 64)]
    blocks = [(a, min(b, len(found.worth.alignments))) for a, b in edges if a <= len(found.worth.alignments)]
    means = [sum(found.worth.alignments[a - 1 : b]) / (b - a + 1) for a, b in blocks]
    return [
        TextTable(
            "Worth: share of the labels' variance along a mode, less what chance gives, mean of a block",
            ["", *(f"modes {a}-{b}" if b > a else f"mode {a}" for a, b in blocks)],
            [["alignment", *(f"{mean:.2%}" for mean in means)]],
        ),
        TextTable(
            "Worth: accuracy of labels, on images that the probe was not fitted to (± standard error)",
            ["", "k-NN, white", "k-NN, weighted", "ridge"],
            [
                [each.modes, *(_accuracy(one) for one in (each.knn_white, each.knn_weighted, each.ridge))]
                for each in found.worth.accuracies
            ],
            f"the largest class alone gives {found.worth.chance:.1%}",
        ),
    ]


def _accuracy(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.1%} ± {pair[1]:.1%}"
