"""What a comparison found: as it is, as plain numbers, and as tables for the terminal and the page."""

import string
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from eigenstep.analysis import TimeComparison
from eigenstep.comparison._agreement import Agreement
from eigenstep.comparison._calibrated_pair import InputMap
from eigenstep.comparison._calibrated_tables import calibrated_table, map_json, map_table
from eigenstep.comparison._calibration import Calibrated
from eigenstep.comparison._inputs import Input
from eigenstep.comparison._modes_beside import modes_json, modes_table
from eigenstep.comparison._modes_over_training import ModesBeside
from eigenstep.comparison._speedup import Speedup
from eigenstep.comparison._speedup_table import speedup_table
from eigenstep.comparison._text_table import TextTable

TITLES = {
    "overlap": "subspace overlap",
    "angle": "mean principal angle",
    "cka": "linear CKA",
    "procrustes": "Procrustes",
    "neighbours": "nearest neighbours",
}


@dataclass(frozen=True)
class ModeOverlap:
    """The overlap of the first modes of two inputs, each at a moment when just these had been learned."""

    modes: int
    moments: tuple[str, str]
    overlap: Agreement


@dataclass(frozen=True, eq=False)
class Times:
    """Predicted against measured times.

    Attributes
    ----------
    by_rank : TimeComparison | None
        Of the eigenvalues: the k-th predicted beside the k-th measured.
    by_mode : TimeComparison | None
        Of the modes themselves, found in the run's embeddings; None where the run has no record of the
        predicted images, or has learned none of the modes.
    """

    by_rank: TimeComparison | None
    by_mode: TimeComparison | None


@dataclass(frozen=True, eq=False)
class Pair:
    """Two inputs compared.

    Attributes
    ----------
    first, second : int
        Places among the inputs.
    whole : dict[str, Agreement]
        Agreement by measure, see `compare_embeddings`.
    by_modes : list[ModeOverlap]
        Overlaps of the first modes, where moments for it are there.
    times : Times | None
        Where one is a prediction and the other a run.
    speedup : Speedup | None
        How many times sooner the second learned its modes, where both are runs as a whole.
    calibrated : dict[str, Calibrated]
        All measures with z and p, where they were asked for, see `calibrated_agreement`.
    maps : list[InputMap]
        Each layer or checkpoint with each, where that was asked for.
    notes : list[str]
        Which measures cannot tell, and why.
    modes : ModesBeside | None
        Which mode is which, of two runs each checkpoint of which was compared.
    """

    first: int
    second: int
    whole: dict[str, Agreement]
    by_modes: list[ModeOverlap]
    times: Times | None
    speedup: Speedup | None = None
    calibrated: dict[str, Calibrated] = field(default_factory=dict)
    maps: list[InputMap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    modes: ModesBeside | None = None


@dataclass(frozen=True, eq=False)
class SideBySide:
    """What `compare` found.

    Attributes
    ----------
    inputs, moments, dims, learned
        Each input, the moment that it was compared at as a whole, its dimensions and how many modes it had
        learned by then, None where nothing tells.
    images : int
        How many there were.
    centred : bool
        Whether the mean embedding was subtracted before spaces were compared.
    notes : list[str]
        What a reader should know of how it was done.
    rules : list[str | None]
        What updated each run's weights, in words; None where nothing tells.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eigenstep.comparison import compare
    >>> path = tempfile.mkdtemp() + "/mine.npy"
    >>> np.save(path, np.random.default_rng(0).normal(size=(60, 3)))
    >>> found = compare([path, path], resamples=5)
    >>> found.letters, found.learned_words, found.images
    (['A', 'B'], ['3 dimensions', '3 dimensions'], 60)
    """

    inputs: list[Input]
    moments: list[str]
    dims: list[int]
    learned: list[int | None]
    images: int
    centred: bool
    pairs: list[Pair]
    notes: list[str]
    rules: list[str | None]

    @property
    def letters(self) -> list[str]:
        """Short names of the inputs: A, B, ..., Z, AA, AB, ..."""
        names = list(string.ascii_uppercase)
        return (names + [first + second for first in names for second in names])[: len(self.inputs)]

    def names_of(self, pair: Pair) -> tuple[str, str]:
        """The short names of a pair's inputs."""
        return self.letters[pair.first], self.letters[pair.second]

    @property
    def learned_words(self) -> list[str]:
        """How many modes each input had learned at the moment it is compared at as a whole, of how many."""
        return [
            f"{dim} dimensions" if learned is None else f"{learned} of {dim}"
            for learned, dim in zip(self.learned, self.dims, strict=True)
        ]

    def tables(self) -> list[TextTable]:
        """All of it: how much sooner modes came, the inputs as a whole, calibrated, first modes, times."""
        return [*_speedups(self), _whole(self), *_calibrated(self), *_by_modes(self), *_times(self)]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain numbers, lists and names."""
        return {
            "inputs": [
                {
                    "name": given.name,
                    "kind": given.kind,
                    "moment": moment,
                    "dim": dim,
                    "learned": learned,
                    "update_rule": rule,
                }
                for given, moment, dim, learned, rule in zip(
                    self.inputs, self.moments, self.dims, self.learned, self.rules, strict=True
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
                    "speedup": None if pair.speedup is None else asdict(pair.speedup),
                    "agreement": {name: asdict(each) for name, each in pair.calibrated.items()},
                    "maps": [map_json(each, self.names_of(pair)) for each in pair.maps],
                    "modes": None if pair.modes is None else modes_json(pair.modes, self.names_of(pair)),
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


def _speedups(found: SideBySide) -> list[TextTable]:
    return [speedup_table(found.letters, pair.speedup) for pair in found.pairs if pair.speedup]


def _whole(found: SideBySide) -> TextTable:
    rows = [
        [f"{title}, {TITLES[measure]}", *_cells(agreement, "°" * (measure == "angle"))]
        for title, pair in _titled(found)
        for measure, agreement in pair.whole.items()
    ]
    return TextTable(f"Agreement on {found.images} images", ["pair, as a whole", *_HEADER], rows)


def _calibrated(found: SideBySide) -> list[TextTable]:
    made = []
    for title, pair in _titled(found):
        if pair.calibrated:
            made.append(calibrated_table(f"{title} on {found.images} images, calibrated", pair.calibrated))
        made += [map_table(title, found.names_of(pair), each) for each in pair.maps]
        if pair.modes:
            made.append(modes_table(title, found.names_of(pair), pair.modes))
    return made


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
    names = found.letters
    return [(f"{names[pair.first]}–{names[pair.second]}", pair) for pair in found.pairs]


def _cells(agreement: Agreement, unit: str = "") -> list[str]:
    def written(value: float) -> str:
        return f"{value:.1f}{unit}" if unit else f"{value:.3f}"

    interval = f"{written(agreement.low)} – {written(agreement.high)}"
    return [written(agreement.value), interval, written(agreement.chance)]
