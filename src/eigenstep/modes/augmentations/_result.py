"""What a comparison of sets of augmentations found, as it is and as plain numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes.augmentations._agreement import Agreement
from eigenstep.modes.augmentations._invariance import SetModes
from eigenstep.modes.augmentations._options import ShortTraining
from eigenstep.modes.augmentations._sets import AugmentationSet
from eigenstep.modes.augmentations._standing import Standing
from eigenstep.probes import chance

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sides:
    """Sets side by side, without labels.

    Attributes
    ----------
    modes : list[SetModes]
        Of each set.
    firsts : list[list[tuple[str, float]]]
        For each set, of its first modes, the statistic with the largest correlation, and that correlation.
    angles : NDArray[np.float64]
        (sets, sets) mean principal angle between the first modes of two sets, in degrees.
    """

    modes: list[SetModes]
    firsts: list[list[tuple[str, float]]]
    angles: Array


@dataclass(frozen=True, eq=False)
class Closed:
    """The first look, without training.

    Attributes
    ----------
    sets : list[AugmentationSet]
        Those after which two views have something in common.
    standing : Standing
        Of ridge accuracies on few rho-modes; intervals are over images alone.
    more, neighbours : list[float]
        Ridge accuracy on more modes, and that of the weighted k-NN, of each set.
    nothing : bool
        Whether accuracies are so near chance that they say nothing of how sets differ.
    labels : NDArray[np.int64]
        (n,) that they are of.
    right : list[NDArray[np.float64]]
        Of each set, (n,) which images were told rightly.
    """

    sets: list[AugmentationSet]
    standing: Standing
    more: list[float]
    neighbours: list[float]
    nothing: bool
    labels: NDArray[np.int64]
    right: list[Array]


@dataclass(frozen=True, eq=False)
class Trained:
    """What short trainings found.

    Attributes
    ----------
    sets : list[AugmentationSet]
        Those that were trained with.
    standing : Standing
        Of their accuracies.
    nothing : bool
        Whether accuracies are near chance.
    right : list[NDArray[np.float64]]
        Of each set, (n,) the share of its seeds that told each labelled image rightly.
    training : ShortTraining
        How they were trained.
    done_now : int
        Trainings of this call; the others were taken up from the folder.
    """

    sets: list[AugmentationSet]
    standing: Standing
    nothing: bool
    right: list[Array]
    training: ShortTraining
    done_now: int


@dataclass(frozen=True, eq=False)
class AugmentationAdvice:
    """What `rank_augmentations` found.

    Attributes
    ----------
    sets : list[AugmentationSet]
        All that were compared, as given.
    images, channels : int
        Of the data.
    agreement : Agreement
        What operations and sets leave of each statistic.
    sides : Sides
        The modes of each set by invariance.
    useless : dict[str, str]
        Sets that are not ranked, and why.
    left_out : dict[str, str]
        Operations that such images do not have, and why.
    labels : NDArray[np.int64] | None
        (n,) of the labelled images.
    class_names : list[str]
        By number.
    closed : Closed | None
        The first look, with labels.
    short : Trained | None
        The ranking, with labels and trainings.
    """

    sets: list[AugmentationSet]
    images: int
    channels: int
    agreement: Agreement
    sides: Sides
    useless: dict[str, str]
    left_out: dict[str, str]
    labels: NDArray[np.int64] | None
    class_names: list[str]
    closed: Closed | None
    short: Trained | None

    @property
    def ranked(self) -> tuple[Standing, list[AugmentationSet]] | None:
        """What the ranking is by, and the sets in its order of places; None where nothing is ranked."""
        if self.short is not None:
            return None if self.short.nothing else (self.short.standing, self.short.sets)
        if self.closed is not None and not self.closed.nothing:
            return self.closed.standing, self.closed.sets
        return None

    @property
    def best(self) -> AugmentationSet | None:
        """The set of the highest accuracy; None where nothing is ranked."""
        found = self.ranked
        return None if found is None else found[1][found[0].leader]

    def by_class(self) -> tuple[list[AugmentationSet], Array] | None:
        """Share of each class that is told rightly under each set, (sets, classes); None without labels."""
        if self.labels is None:
            return None
        source = self.short or self.closed
        if source is None:
            return None
        labels = source.labels if isinstance(source, Closed) else self.labels
        count = len(self.class_names)
        sizes = np.bincount(labels, minlength=count)
        shares = [
            np.where(sizes > 0, np.bincount(labels, each, minlength=count) / np.maximum(sizes, 1), np.nan)
            for each in source.right
        ]
        return source.sets, np.array(shares)

    @property
    def chance(self) -> float | None:
        """The accuracy of always guessing the commonest class."""
        return None if self.labels is None else chance(self.labels)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain numbers, lists and names."""
        from eigenstep.modes.augmentations._words import sentence

        best, classes = self.best, self.by_class()
        return {
            "sentence": sentence(self),
            "best": None if best is None else best.name,
            "images": self.images,
            "channels": self.channels,
            "labels": None if self.labels is None else len(self.labels),
            "classes": self.class_names,
            "chance": self.chance,
            "left_out": self.left_out,
            "useless": self.useless,
            "sets": {each.name: _plain(dataclasses.asdict(each.views)) for each in self.sets},
            "agreement": {
                "images": self.agreement.images,
                "rows": list(self.agreement.rows),
                "statistics": list(self.agreement.statistics),
                "values": _plain(self.agreement.values.tolist()),
                "left_out": self.agreement.left_out,
            },
            "modes": {
                each.name: {
                    "rho": found.rho.tolist(),
                    "rho_held_out": found.rho_held_out.tolist(),
                    "invariance": found.invariance,
                    "effective_rank": found.effective_rank,
                    "first": [list(first) for first in firsts],
                }
                for each, found, firsts in zip(self.sets, self.sides.modes, self.sides.firsts, strict=True)
            },
            "angles": self.sides.angles.tolist(),
            "without_training": None if self.closed is None else _closed_json(self.closed),
            "short_trainings": None
            if self.short is None
            else _standing_json(self.short.standing, self.short.sets)
            | {"near_chance": self.short.nothing, "training": dataclasses.asdict(self.short.training)},
            "readable": None
            if classes is None
            else {each.name: _plain(row.tolist()) for each, row in zip(*classes, strict=True)},
        }


def _closed_json(closed: Closed) -> dict[str, Any]:
    more = {
        each.name: {"ridge_32": many, "weighted_knn": votes}
        for each, many, votes in zip(closed.sets, closed.more, closed.neighbours, strict=True)
    }
    return _standing_json(closed.standing, closed.sets) | {"near_chance": closed.nothing, "beside": more}


def _standing_json(standing: Standing, sets: list[AugmentationSet]) -> dict[str, Any]:
    return {
        "leader": sets[standing.leader].name,
        "tied": [sets[place].name for place in standing.tied],
        "critical": standing.critical,
        "sets": {
            each.name: {
                "accuracy": float(standing.means[place]),
                "error": standing.error(place),
                "seeds": standing.seeds[place],
                "behind": standing.behind(place).value,
                "behind_error": standing.behind(place).error,
                "told_apart": standing.behind(place).told_apart,
            }
            for place, each in enumerate(sets)
        },
    }


def _plain(value: Any) -> Any:
    """Tuples as lists, and NaN, which JSON has not, as None."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
