"""Modes on judged images, put beside what is known of these images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eigenstep.modes._chosen_images import ChosenImages
from eigenstep.modes._described import Described, describe
from eigenstep.modes._evaluated import EvaluatedModes, orthonormal
from eigenstep.modes._explanation import ALL, LABELS, Explanation, SnapshotFacts
from eigenstep.modes._gallery import galleries
from eigenstep.modes._held_out import Halves, halves
from eigenstep.modes._names import ModeName, name_modes
from eigenstep.modes._shares import explained_shares, grid, readable, spans
from eigenstep.modes._thirds import Thirds, thirds
from eigenstep.modes._worth import worth

# Directions of a snapshot before the last one that names are looked for.
FIRST = 8


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked, whatever the modes are of.

    Attributes
    ----------
    name, kind : str
        See `Explanation`.
    table : str | Path | None
        The user's own columns.
    labels : Any
        Whether labels are needed, or those of arrays.
    seed : int
        Of the parts of the images.
    tell : Callable[[str], None]
        Called with what is done next.
    """

    name: str
    kind: str
    table: str | Path | None
    labels: Any
    seed: int
    tell: Callable[[str], None]

    @property
    def needs_labels(self) -> bool:
        return self.labels is not None and self.labels is not False

    def parts(self, chosen: ChosenImages) -> Thirds:
        """The thirds of the images. Raises ValueError if there are too few, or if all are the same."""
        parts = thirds(len(chosen.images), self.seed)
        if (chosen.images == chosen.images[:1]).all():
            count = len(chosen.images)
            raise ValueError(f"{self.name}: expected images that differ, all {count:,} are the same")
        return parts


def judge(
    moments: Sequence[EvaluatedModes],
    chosen: ChosenImages,
    parts: Thirds,
    task: Task,
    *,
    again_by: str,
    notes: Sequence[str],
    show: Sequence[int],
) -> Explanation:
    """Everything that there is to say of modes at several moments, the last of which are named.

    Parameters
    ----------
    moments : Sequence[EvaluatedModes]
        On the judged third of the chosen images, in the order of training.
    again_by : str
        What the modes were found again from.
    """
    judged = chosen.take(parts.judged)
    modes, split, notes = moments[-1], halves(len(parts.judged), task.seed), list(notes)
    if problem := _of_one_class(judged, split):
        if task.needs_labels:
            raise ValueError(f"{task.name}: {problem}")
        notes.append(f"labels are left alone: {problem}")
        judged = dataclasses.replace(judged, labels=None)
    task.tell(f"measuring statistics of {len(judged.images):,} images")
    known = describe(judged, task.table, task.name)
    task.tell("explaining")
    sizes = spans(modes.values.shape[1])
    basis = orthonormal(modes.values)
    sets = {ALL: known.without_classes}
    if judged.labels is not None:
        sets[LABELS] = (judged.labels[:, None] == np.unique(judged.labels)).astype(np.float64)
    sets |= {name: known.values[:, [place]] for place, name in enumerate(known.names)}
    named = name_modes(modes, known.names, known.values, split)
    in_steps = task.kind == "run"
    if in_steps:
        places = [each.step or 0 for each in moments]
        curves = np.concatenate([_shown(each, known, split) for each in moments], axis=1)
    else:
        places = grid(modes.values.shape[1])
        curves = readable(basis, known.values, split, places)
    signs = [each.sign for each in named for _ in range(each.first, each.last + 1)]
    return Explanation(
        task.name,
        task.kind,
        len(judged.images),
        len(parts.first),
        again_by,
        named,
        modes.strengths.tolist(),
        sizes,
        explained_shares(basis, sets, split, sizes),
        known.names,
        places,
        in_steps,
        curves,
        known.left_out,
        [_snapshot(each, known, sizes, split, named if each is modes else None) for each in moments]
        if in_steps
        else [],
        None if judged.labels is None else worth(modes, judged.labels, split, task.seed),
        [*chosen.notes, *notes],
        galleries(modes.values, judged.images, signs),
        judged.images,
        tuple(show),
    )


def _of_one_class(judged: ChosenImages, split: Halves) -> str | None:
    """What is wrong with labels of which one half knows a single class: nothing is learned from it."""
    if judged.labels is None:
        return None
    labels, count = judged.labels, len(judged.labels)
    if all(len(np.unique(labels[half])) > 1 for half in (split.first, split.second)):
        return None
    return (
        f"expected several classes in either half of the {count:,} images that modes are judged on, got one;"
        " use more images with --count"
    )


def _shown(moment: EvaluatedModes, known: Described, split: Halves) -> Any:
    """R^2 (s, 1) of each statistic from all directions that an embedding shows."""
    return readable(orthonormal(moment.values), known.values, split, [moment.values.shape[1]])


def _snapshot(
    moment: EvaluatedModes, known: Described, sizes: list[int], split: Halves, named: list[ModeName] | None
) -> SnapshotFacts:
    count = moment.values.shape[1]
    first = name_modes(moment, known.names, known.values, split, FIRST) if named is None else named[:FIRST]
    shares = explained_shares(
        orthonormal(moment.values), {ALL: known.without_classes}, split, [k for k in sizes if k <= count]
    )
    return SnapshotFacts(moment.step or 0, count, shares[ALL], first)
