"""What E7 found, as tables and in words that the numbers carry."""

from collections.abc import Sequence

import numpy as np

from eigenstep.reproduce._e7_verdicts import (
    Together,
    WaysAgreement,
    augmentations_sentence,
    course_sentence,
    family_pairs,
    pixels_sentence,
    since,
    together,
)
from eigenstep.reproduce._e7_ways import CROPS, FULL, Way
from eigenstep.reproduce._outcome import Cell, OutcomeTable


def judged(
    ways: Sequence[Way], steps: Sequence[int], course: Sequence[WaysAgreement], by_neighbours: WaysAgreement
) -> tuple[list[OutcomeTable], list[str]]:
    """Tables and sentences of the agreement at each snapshot, and by nearest neighbours at the end."""
    end = course[-1]
    verdicts = [[together(found, *pair) for found in course] for pair in family_pairs(end)]
    changed = {ways.index(Way(way.loss)): place for place, way in enumerate(ways) if way.views == CROPS}
    families = [family for family in dict.fromkeys(end.families) if family != CROPS]
    return (
        [
            _families(verdicts, by_neighbours, steps),
            _ways("Each way at the end", ways, end, changed),
            _ways("The same by mutual nearest neighbours", ways, by_neighbours, changed),
            _matrix(ways, end),
            _course(verdicts, steps),
        ],
        [
            course_sentence(course, steps),
            *(each[-1].sentence for each in verdicts),
            *(
                pixels_sentence(end, family, [other for other in families if other != family])
                for family in families
            ),
            augmentations_sentence(end, changed),
            "The rule: two families go together if their ways agree more with each other than with what"
            " nobody trained (an untrained network of another seed, or the pixels, whichever agrees more), by"
            " more than the standard deviation of that difference over seeds. They are as one if, in"
            " addition, two seeds of one way do not agree more than that, by the same criterion.",
        ],
    )


def _families(
    verdicts: Sequence[Sequence[Together]], by_neighbours: WaysAgreement, steps: Sequence[int]
) -> OutcomeTable:
    rows: list[list[Cell]] = []
    for each in verdicts:
        end = each[-1]
        numbers = [end.across, end.floor, end.ceiling]
        told = [str(end.above_floor), end.word, f"{since(each, steps)}"]
        rows.append([end.name, *map(_two, numbers), *told, together(by_neighbours, *end.families).word])
    numbers_of = ("agree", "nobody trained", "seeds of one way", "above nobody trained")
    header = ("families", *numbers_of, "verdict", "from step", "by neighbours")
    return OutcomeTable("Which families go together", header, rows)


def _ways(title: str, ways: Sequence[Way], found: WaysAgreement, changed: dict[int, int]) -> OutcomeTable:
    agreement = found.of_other_seeds().mean(axis=0)
    full = [place for place, way in enumerate(ways) if way.views == FULL]
    rows: list[list[Cell]] = []
    for place, way in enumerate(ways):
        nearest = max((agreement[place, other], other) for other in full if other != place)[1]
        crops = _two(agreement[place, changed[place]]) if place in changed else None
        beside = [_two(float(each[:, place].mean())) for each in found.references.values()]
        near = f"{ways[nearest].title} {_two(agreement[place, nearest])}"
        rows.append([way.title, _two(agreement[place, place]), near, crops, *beside])
    return OutcomeTable(title, ("way", "other seeds", "nearest way", CROPS, *found.references), rows)


def _matrix(ways: Sequence[Way], found: WaysAgreement) -> OutcomeTable:
    agreement = found.of_other_seeds().mean(axis=0)
    rows: list[list[Cell]] = [
        [way.title, *map(_two, row)] for way, row in zip(ways, agreement.tolist(), strict=True)
    ]
    return OutcomeTable("All pairs at the end, other seeds", ("", *(way.title for way in ways)), rows)


def _course(verdicts: Sequence[Sequence[Together]], steps: Sequence[int]) -> OutcomeTable:
    rows: list[list[Cell]] = [
        [each[-1].name, *(f"{_two(found.across)} ({found.above_floor.mean:+.2f})" for found in each)]
        for each in verdicts
    ]
    header = ("agreement, and how far above nobody trained", *(f"step {step}" for step in steps))
    return OutcomeTable("Over training", header, rows)


def _two(value: float) -> str:
    return f"{np.round(value, 2) + 0.0:.2f}"
