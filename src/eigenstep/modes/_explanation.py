"""What `explain_modes` found: as numbers, sentences and tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._gallery import ModeGallery
from eigenstep.modes._names import ModeName, short
from eigenstep.modes._shares import KNOWN, is_forgotten, known_from
from eigenstep.modes._worth import Worth

if TYPE_CHECKING:
    from eigenstep.comparison import TextTable
    from eigenstep.export import ModeDirections

ALL, LABELS = "all statistics", "labels"


@dataclass(frozen=True)
class SnapshotFacts:
    """A run after some steps.

    Attributes
    ----------
    step : int
        Of training.
    modes : int
        Directions that the embedding shows.
    shares : list[float]
        Of the span of the first k, k in `Explanation.sizes` as far as there are modes: what all statistics
        explain.
    names : list[ModeName]
        Of the first directions.
    """

    step: int
    modes: int
    shares: list[float]
    names: list[ModeName]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What modes mean and are worth.

    Attributes
    ----------
    name, kind : str
        Of what: "data", "run", "file" or "arrays".
    images : int
        n that everything was judged on, which the modes were not learned from.
    learned_from : int
        Images that each set of modes was learned from.
    again_by : str
        What a mode was to be found again from.
    modes : list[ModeName]
        Names, in order.
    strengths : list[float]
        Eigenvalues or variances of the modes.
    sizes : list[int]
        k of `shares`.
    shares : dict[str, list[float]]
        Share of the span of the first k modes that each statistic, and all, explain; held out.
    statistics : list[str]
        s names.
    places : list[int]
        Numbers of modes, or a run's steps, that `readable` is told at.
    in_steps : bool
        Whether `places` are steps.
    readable : NDArray[np.float64]
        (s, number of places) held-out R^2 of each statistic.
    left_out : dict[str, str]
        Statistics that images like these have not, and why.
    snapshots : list[SnapshotFacts]
        Of a run.
    worth : Worth | None
        Where there are labels.
    notes : list[str]
        What a reader should know.
    galleries : list[ModeGallery]
        Of the first modes.
    pictured : NDArray[Any] | None
        (n, C, H, W) the images that galleries are of.
    show : tuple[int, ...]
        Which channels pictures show, counted from 1.
    directions : ModeDirections | None
        Of a run, by which `eigenstep embed --modes` scores images.
    """

    name: str
    kind: str
    images: int
    learned_from: int
    again_by: str
    modes: list[ModeName]
    strengths: list[float]
    sizes: list[int]
    shares: dict[str, list[float]]
    statistics: list[str]
    places: list[int]
    in_steps: bool
    readable: NDArray[np.float64]
    left_out: dict[str, str]
    snapshots: list[SnapshotFacts] = field(default_factory=list)
    worth: Worth | None = None
    notes: list[str] = field(default_factory=list)
    galleries: list[ModeGallery] = field(default_factory=list)
    pictured: NDArray[Any] | None = None
    show: tuple[int, ...] = ()
    directions: ModeDirections | None = None

    @property
    def known(self) -> dict[str, int | None]:
        """Of each statistic the first place at which it can be read off; None where it never can."""
        return {
            name: known_from(curve.tolist(), self.places)
            for name, curve in zip(self.statistics, self.readable, strict=True)
        }

    @property
    def forgotten(self) -> dict[str, tuple[float, float]]:
        """Of a run: statistics that were known and are clearly less so in the end, with both R^2."""
        if not self.in_steps:
            return {}
        curves = zip(self.statistics, self.readable.tolist(), strict=True)
        return {name: (max(curve), curve[-1]) for name, curve in curves if is_forgotten(curve)}

    @property
    def named(self) -> list[ModeName]:
        """Modes and blocks that have earned a name."""
        return [each for each in self.modes if each.statistics]

    def sentences(self) -> list[str]:
        """What there is to say, in a few lines."""
        total = len(self.strengths)
        count = sum(each.last - each.first + 1 for each in self.named)
        said = [
            f"{count} of {total} modes {'has' if count == 1 else 'have'} earned a name; judged on"
            f" {self.images:,} images that they were not learned from"
        ]
        together = self.shares[ALL]
        said.append(
            "all statistics together explain "
            + ", ".join(
                f"{short(max(share, 0.0))} of the first {'mode' if k == 1 else k}"
                for k, share in zip(self.sizes, together, strict=True)
            )
        )
        first = [name for name, place in self.known.items() if place == self.places[0]]
        if first:
            where = f"at step {self.places[0]:,}" if self.in_steps else "from the first mode alone"
            said.append(f"known {where}: {', '.join(first)}")
        for name, (most, last) in self.forgotten.items():
            said.append(
                f"forgotten: {name} could be read off with R² {short(most)}, in the end {short(last)}"
            )
        if self.worth is not None:
            said.append(self.worth.sentence)
        return said

    def tables(self) -> list[TextTable]:
        """Shares, what is known when, snapshots and worth, as tables of words."""
        from eigenstep.modes._tables import tables

        return tables(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers, lists and names; the content of `modes.json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "images": self.images,
            "learned_from": self.learned_from,
            "found_again_by": self.again_by,
            "sentences": self.sentences(),
            "modes": [_mode(each) for each in self.modes],
            "strengths": self.strengths,
            "shares": {"sizes": self.sizes, "explained": self.shares},
            "readable": {
                "in": "steps" if self.in_steps else "modes",
                "places": self.places,
                "r2": dict(zip(self.statistics, np.round(self.readable, 4).tolist(), strict=True)),
                "known_from": self.known,
                "threshold": KNOWN,
            },
            "forgotten": {name: list(pair) for name, pair in self.forgotten.items()},
            "snapshots": [
                {
                    "step": each.step,
                    "modes": each.modes,
                    "shares": each.shares,
                    "names": [_mode(one) for one in each.names],
                }
                for each in self.snapshots
            ],
            "worth": None
            if self.worth is None
            else dataclasses.asdict(self.worth) | {"sentence": self.worth.sentence},
            "left_out": self.left_out,
            "notes": self.notes,
        }


def _mode(each: ModeName) -> dict[str, Any]:
    return dataclasses.asdict(each) | {"name": each.name, "sentence": each.sentence}
