"""What was found, as tables of text: for the terminal and for the page."""

from dataclasses import dataclass

import numpy as np

from eigenstep.analysis import TimeComparison
from eigenstep.comparison import Agreement
from eigenstep.comparison._matrix import TITLES, letters
from eigenstep.comparison._result import Pair, SideBySide


@dataclass(frozen=True)
class TextTable:
    """A table whose first column names its rows, and a sentence about it, or none."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


def tables(found: SideBySide) -> list[TextTable]:
    """All of it: the inputs as a whole, their first modes, and predicted beside measured times."""
    return [_whole(found), *_by_modes(found), *_times(found)]


def learned_of(found: SideBySide) -> list[str]:
    """How many modes each input had learned at the moment it is compared at as a whole, of how many."""
    return [
        f"{dim} dimensions" if learned is None else f"{learned} of {dim}"
        for learned, dim in zip(found.learned, found.dims, strict=True)
    ]


def _whole(found: SideBySide) -> TextTable:
    rows = [
        [f"{title}, {TITLES[measure]}", *_cells(agreement, "°" * (measure == "angle"))]
        for title, pair in _titled(found)
        for measure, agreement in pair.whole.items()
    ]
    return TextTable(f"Agreement on {found.images} images", ["pair, as a whole", *_HEADER], rows)


def _by_modes(found: SideBySide) -> list[TextTable]:
    rows = [
        [f"{title}, {each.modes}", *each.moments, *_cells(each.overlap)]
        for title, pair in _titled(found)
        for each in pair.by_modes
    ]
    note = "each at its last moment at which just these modes had been learned"
    header = ["pair, first modes", "first at", "second at", *_HEADER]
    return [TextTable("Overlap of the first modes", header, rows, note)] if rows else []


def _times(found: SideBySide) -> list[TextTable]:
    made = []
    for title, pair in _titled(found):
        if pair.times and pair.times.by_rank:
            made.append(_times_table(f"{title}, times of eigenvalues by rank", pair.times.by_rank))
        if pair.times and pair.times.by_mode:
            by_mode = pair.times.by_mode
            order = f"{by_mode.rank_correlation:.2f}" if len(by_mode.modes) > 1 else "of one mode is none"
            note = f"rank correlation of the order: {order}; "
            made.append(_times_table(f"{title}, times of each predicted mode itself", by_mode, note))
    return made


def _times_table(title: str, times: TimeComparison, note: str = "") -> TextTable:
    columns = zip(
        times.modes, times.predicted, times.measured, times.errors, times.fitted_errors, strict=True
    )
    rows = [
        [str(mode + 1), f"{predicted:.4g}", f"{measured:.4g}", f"{error:+.1%}", f"{fitted:+.1%}"]
        for mode, predicted, measured, error, fitted in columns
    ]
    note += (
        f"median error {np.median(np.abs(times.errors)):.1%} as"
        f" predicted, {np.median(np.abs(times.fitted_errors)):.1%} after one fitted constant (all times ×"
        f" {times.time_factor:.3g})"
    )
    return TextTable(title, ["mode", "predicted t", "measured t", "error", "error, fitted"], rows, note)


_HEADER = ["value", "95 % interval", "chance"]


def _titled(found: SideBySide) -> list[tuple[str, Pair]]:
    names = letters(len(found.inputs))
    return [(f"{names[pair.first]}–{names[pair.second]}", pair) for pair in found.pairs]


def _cells(agreement: Agreement, unit: str = "") -> list[str]:
    def written(value: float) -> str:
        return f"{value:.1f}{unit}" if unit else f"{value:.3f}"

    interval = f"{written(agreement.low)} – {written(agreement.high)}"
    return [written(agreement.value), interval, written(agreement.chance)]
