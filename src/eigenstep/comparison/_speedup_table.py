"""How many times sooner modes were learned, and whether they are the same, as a table."""

from collections.abc import Collection, Sequence

from eigenstep.analysis import sooner_in_words, steps_in_words
from eigenstep.comparison._speedup import SpanOverlap, Speedup
from eigenstep.comparison._text_table import TextTable


def speedup_table(names: list[str], speedup: Speedup) -> TextTable:
    """One line a number of modes; overlaps that are not at equal numbers of modes are marked, and told."""
    first, second = names[speedup.first], names[speedup.second]
    rows = []
    for row in speedup.rows:
        spans = (row.same,) if speedup.beside is None else (row.same, row.yardstick)
        rows.append(
            [
                str(row.modes),
                steps_in_words(*row.steps),
                sooner_in_words(row.steps_sooner),
                steps_in_words(*row.seconds, digits=1),
                sooner_in_words(row.seconds_sooner),
                *(_span_cell(span) for span in spans),
                "–" if row.same.overlap is None else f"{row.same.overlap.chance:.3f}",
            ]
        )
    same = [(row.modes, row.same) for row in speedup.rows]
    # A gap is told but where it says itself: a run never had so many modes, or nothing stands beside it.
    own_gaps = {row.modes for row in speedup.rows if row.steps.count(None) == 1}
    told = _moments_told("overlap", (first, second), same, own_gaps)
    if speedup.beside is not None:
        beside = [(row.modes, row.yardstick) for row in speedup.rows]
        own_gaps = {modes for modes, span in same if span.overlap is None}
        told += _moments_told("seeds", speedup.beside, beside, own_gaps)
        told.insert(
            0, f"seeds: the overlap of {' and '.join(speedup.beside)}, which differ in their seed alone"
        )
    seeds = [] if speedup.beside is None else ["seeds"]
    header = ["modes", "steps", "sooner", "seconds", "sooner", "overlap", *seeds, "chance"]
    title = f"{first} → {second}: how many times sooner {second} learned modes, and whether they are the same"
    if speedup.seed_alone:
        title = f"{first} → {second}, which differ in their seed alone: when modes were learned"
    return TextTable(title, header, rows, "; ".join(told))


def _span_cell(span: SpanOverlap | None) -> str:
    if span is None or span.overlap is None:
        return "–"
    return f"{span.overlap.value:.2f}" + "*" * any(span.notes)


def _moments_told(
    column: str,
    names: tuple[str, str],
    spans: Sequence[tuple[int, SpanOverlap | None]],
    own_gaps: Collection[int],
) -> list[str]:
    """Why a column's overlaps are starred or missing, at which numbers of modes."""
    told: dict[tuple[str, str], list[str]] = {}
    for modes, span in spans:
        if span is None or (span.overlap is None and modes in own_gaps):
            continue
        said = [
            f"in {name}, {note}" + (f" ({moment})" if moment else "")
            for name, moment, note in zip(names, span.moments, span.notes, strict=True)
            if note
        ]
        if said:
            mark = "–" if span.overlap is None else "*"
            told.setdefault((mark, " and ".join(said)), []).append(str(modes))
    return [f"{column} {mark} at {', '.join(modes)}: {said}" for (mark, said), modes in told.items()]
