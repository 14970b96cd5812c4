"""What a comparison found, and the same as plain numbers."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eigenstep.analysis import TimeComparison
from eigenstep.comparison import Agreement
from eigenstep.comparison._inputs import Input


@dataclass(frozen=True)
class ModeOverlap:
    """The overlap of the first modes of two inputs, each at a moment when just these had been learned."""

    modes: int
    moments: tuple[str, str]
    overlap: Agreement


@dataclass(frozen=True, eq=False)
class Times:
    """Predicted against measured times.

    by_rank : of the eigenvalues: the k-th predicted beside the k-th measured
    by_mode : of the modes themselves, found in the run's embeddings; None where the run has no record of the
        predicted images, or has learned none of the modes
    """

    by_rank: TimeComparison | None
    by_mode: TimeComparison | None


@dataclass(frozen=True, eq=False)
class Pair:
    """Two inputs compared.

    first, second : places among the inputs
    whole : agreement by measure, see `compare_embeddings`
    by_modes : overlaps of the first modes, where moments for it are there
    times : where one is a prediction and the other a run
    """

    first: int
    second: int
    whole: dict[str, Agreement]
    by_modes: list[ModeOverlap]
    times: Times | None


@dataclass(frozen=True, eq=False)
class SideBySide:
    """What `compare` found.

    inputs, moments, dims, learned : each input, the moment that it was compared at as a whole, its dimensions
        and how many modes it had learned by then, None where nothing tells
    images : how many there were
    centred : whether the mean embedding was subtracted before spaces were compared
    notes : what a reader should know of how it was done
    """

    inputs: list[Input]
    moments: list[str]
    dims: list[int]
    learned: list[int | None]
    images: int
    centred: bool
    pairs: list[Pair]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain numbers, lists and names."""
        return {
            "inputs": [
                {"name": given.name, "kind": given.kind, "moment": moment, "dim": dim, "learned": learned}
                for given, moment, dim, learned in zip(
                    self.inputs, self.moments, self.dims, self.learned, strict=True
                )
            ],
            "images": self.images,
            "centred": self.centred,
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "whole": {name: asdict(agreement) for name, agreement in pair.whole.items()},
                    "by_modes": [asdict(overlap) for overlap in pair.by_modes],
                    "times": None if pair.times is None else _times_json(pair.times),
                }
                for pair in self.pairs
            ],
            "notes": self.notes,
        }


def _times_json(times: Times) -> dict[str, Any]:
    return {
        name: None
        if found is None
        else {
            "modes": found.modes.tolist(),
            "predicted": found.predicted.tolist(),
            "measured": found.measured.tolist(),
            "errors": found.errors.tolist(),
            "rank_correlation": None if np.isnan(found.rank_correlation) else found.rank_correlation,
            "fitted": {"time_factor": found.time_factor, "errors": found.fitted_errors.tolist()},
        }
        for name, found in (("by_rank", times.by_rank), ("by_mode", times.by_mode))
    }
