"""The modes of two runs beside each other: from their checkpoints to a table, plain numbers and panels."""

from typing import Any

import numpy as np

from eigenstep.comparison._embedded import InputEmbeddings
from eigenstep.comparison._modes_over_training import (
    ITSELF,
    SAME,
    ModesBeside,
    RunModes,
    modes_within,
    run_modes,
    same_modes,
)
from eigenstep.comparison._text_table import TextTable


def modes_beside(left: InputEmbeddings, right: InputEmbeddings, center: bool) -> ModesBeside | None:
    """Of two runs by their checkpoints; None of anything else, of which there is no course."""
    first, second = _modes_of(left, center), _modes_of(right, center)
    if first is None or second is None or left.given.path == right.given.path:
        return None
    return ModesBeside((first, second), same_modes(first, second))


def modes_table(pair: str, letters: tuple[str, str], found: ModesBeside) -> TextTable:
    """Which mode is which, and in which run it came first."""
    rows = [
        [
            *(f"{rank} (step {step})" for rank, step in zip(each.ranks, each.steps, strict=True)),
            f"{each.correlation:.3f}",
            *(str(step) for step in each.itself_from),
            each.which_first(letters),
        ]
        for each in found.same
    ]
    by_chance = np.sqrt(2 / np.pi / len(found.runs[0].scores[0]))
    note = (
        "a mode is taken from the last checkpoint at which its variance is apart from its neighbours', and"
        f" compared by its values on the images: the same from |correlation| {SAME} on (by chance"
        f" {by_chance:.2f}), itself from the first step at which a checkpoint holds it with {ITSELF}"
    )
    for letter, run in zip(letters, found.runs, strict=True):
        if alone := len(run.last_seen) - len(found.same):
            note += f"; {letter} has {alone} that the other lacks"
    one, other = letters
    header = [f"{one}'s mode", f"{other}'s mode", "|corr.|", f"{one} from", f"{other} from", "first"]
    return TextTable(f"{pair}, mode by mode", header, rows, note)


def modes_json(found: ModesBeside, letters: tuple[str, str]) -> dict[str, Any]:
    """All of it as plain numbers and names."""
    return {
        "same": [
            {
                "ranks": list(each.ranks),
                "steps": list(each.steps),
                "correlation": each.correlation,
                "itself_from": list(each.itself_from),
                "first": each.which_first(letters),
            }
            for each in found.same
        ],
        "within": [
            {
                "modes_of": letters[place],
                "modes": list(found.runs[place].last_seen),
                "checkpoints_of": letters[1 - place],
                "steps": found.runs[1 - place].steps,
                "correlations": correlations.tolist(),
                "ranks": ranks.tolist(),
            }
            for place, (correlations, ranks) in enumerate(_within(found))
        ],
    }


def modes_panels(pair: str, letters: tuple[str, str], found: ModesBeside) -> list[dict[str, Any]]:
    """The modes of each at the checkpoints of the other, as the page colours them: with which mode it is."""
    panels = []
    for place, (correlations, ranks) in enumerate(_within(found)):
        run, other = found.runs[place], found.runs[1 - place]
        names = [f"mode {rank}, step {run.steps[at]}" for rank, at in run.last_seen.items()]
        cells = [
            [
                {"value": float(value), "share": float(value), "mode": int(rank)}
                for value, rank in zip(*row, strict=True)
            ]
            for row in zip(correlations, ranks, strict=True)
        ]
        if names:
            panels.append(
                {
                    "title": f"{pair}, {letters[place]}'s modes in {letters[1 - place]}, |correlation|",
                    "rows": list(zip(names, cells, strict=True)),
                    "columns": [f"step {step}" for step in other.steps],
                }
            )
    return panels


def _within(found: ModesBeside) -> list[tuple[Any, Any]]:
    first, second = found.runs
    return [modes_within(first.final, second), modes_within(second.final, first)]


def _modes_of(embedded: InputEmbeddings, center: bool) -> RunModes | None:
    steps = [each.step for each in embedded.snapshots if each.step is not None]
    if not 1 < len(steps) == len(embedded.snapshots):
        return None
    values = [each.values for each in embedded.snapshots]
    return run_modes(values, steps, [each.learned for each in embedded.snapshots], center=center)
