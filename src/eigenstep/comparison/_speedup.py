"""Two runs mode by mode: how many times sooner the second learned as many, and whether they are the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eigenstep.analysis import (
    Moment,
    differing_settings,
    mode_steps,
    modes_told,
    moment_of,
    sooner,
    stand_out,
    update_rule,
)
from eigenstep.comparison._agreement import Agreement
from eigenstep.comparison._embedded import EmbeddingAt, InputEmbeddings
from eigenstep.record import RunRecord, read_record

Overlap = Callable[[EmbeddingAt, EmbeddingAt, tuple[int, int]], Agreement]


@dataclass(frozen=True)
class SpanOverlap:
    """The overlap of the spans of the first modes of two runs, or why there is none.

    Attributes
    ----------
    overlap : Agreement | None
        None where one of the runs has no moment to compare them at.
    moments : tuple[str | None, str | None]
        At which each of them was taken.
    modes : tuple[int, int]
        How many modes were taken of each: more where they came together.
    notes : tuple[str, str]
        Of each, why it is another moment than one at which just these modes had been learned, or why there is
        none; empty where there is nothing to say.
    """

    overlap: Agreement | None
    moments: tuple[str | None, str | None]
    modes: tuple[int, int]
    notes: tuple[str, str]


@dataclass(frozen=True)
class SpeedupRow:
    """Two runs at one number of modes.

    Attributes
    ----------
    modes : int
        How many.
    steps, seconds : tuple[float | None, float | None]
        Until each had learned so many; None where it never did, or the record does not tell.
    steps_sooner, seconds_sooner : float | None
        How many times sooner the second had.
    same : SpanOverlap
        Whether they are the same modes.
    yardstick : SpanOverlap | None
        The same of one of the runs and its like of another seed; None where there is no such run.
    """

    modes: int
    steps: tuple[float | None, float | None]
    seconds: tuple[float | None, float | None]
    steps_sooner: float | None
    seconds_sooner: float | None
    same: SpanOverlap
    yardstick: SpanOverlap | None


@dataclass(frozen=True)
class Speedup:
    """Two runs mode by mode, the plain one first where just one is plain.

    Attributes
    ----------
    first, second : int
        Their places among the inputs.
    seed_alone : bool
        Whether the two differ in their seed and in nothing else.
    beside : tuple[str, str] | None
        Names of the two runs of different seeds whose overlaps are the yardstick.
    rows : list[SpeedupRow]
        At 1, 2, 4, 8, ... modes, and at as many as both have learned.
    """

    first: int
    second: int
    seed_alone: bool
    beside: tuple[str, str] | None
    rows: list[SpeedupRow]


class ComparedRun:
    """A run's record beside its embeddings, of which each number of modes is looked up once."""

    def __init__(self, embedded: InputEmbeddings, center: bool) -> None:
        self.embedded, self.record = embedded, read_record(embedded.given.path)
        self.variances = [each.variances(center) for each in embedded.snapshots]
        self.steps = mode_steps(self.record)

    @property
    def name(self) -> str:
        return self.embedded.given.name

    def at(self, modes: int) -> Moment:
        """The moment at which its first modes are compared."""
        learned = [each.learned for each in self.embedded.snapshots]
        return moment_of(modes, learned, lambda place, count: stand_out(self.variances[place], count))


def speedup(pair: dict[int, ComparedRun], others: Sequence[ComparedRun], overlap: Overlap) -> Speedup:
    """Hold two runs against each other.

    Parameters
    ----------
    pair : dict[int, ComparedRun]
        By their places among the inputs.
    others : Sequence[ComparedRun]
        Among which a run is found that differs from one of the two in its seed alone.
    overlap : Overlap
        Of the first modes of two embeddings.
    """
    places = sorted(pair, key=lambda place: _is_changed(pair[place]))
    first, second = (pair[place] for place in places)
    like = _other_seed(first, second, others)
    dims = [run.embedded.whole.values.shape[1] for run in (first, second)]
    rows = []
    for modes in modes_told(len(first.steps), len(second.steps), min(*dims, 17) - 1):
        steps = (first.steps.step(modes), second.steps.step(modes))
        seconds = (first.steps.second(modes), second.steps.second(modes))
        rows.append(
            SpeedupRow(
                modes,
                steps,
                seconds,
                sooner(*steps),
                sooner(*seconds),
                _span_overlap(first, second, modes, overlap),
                None if like is None else _span_overlap(*like, modes, overlap),
            )
        )
    beside = None if like is None else (like[0].name, like[1].name)
    alike = differ_by_seed_alone(first.record, second.record)
    return Speedup(places[0], places[1], alike, beside, rows)


def differ_by_seed_alone(first: RunRecord, second: RunRecord) -> bool:
    """Whether two runs have the same configuration, except for what their seed draws."""
    return differing_settings(first.config, second.config) == {"seed"}


def _other_seed(
    first: ComparedRun, second: ComparedRun, others: Sequence[ComparedRun]
) -> tuple[ComparedRun, ComparedRun] | None:
    """One of the two, the plain one if it is, with its like of another seed among the others."""
    if differ_by_seed_alone(first.record, second.record):
        return None  # the two are each other's
    for run in sorted((first, second), key=_is_changed):
        for other in others:
            if differ_by_seed_alone(run.record, other.record):
                return run, other
    return None


def _is_changed(run: ComparedRun) -> bool:
    rule = update_rule(run.record)
    return rule is not None and not rule.is_plain


def _span_overlap(first: ComparedRun, second: ComparedRun, modes: int, overlap: Overlap) -> SpanOverlap:
    found = [(run, run.at(modes)) for run in (first, second)]
    taken = [None if at.place is None else run.embedded.snapshots[at.place] for run, at in found]
    (_, left), (_, right) = found
    counts = (left.modes, right.modes)
    agreement = None if taken[0] is None or taken[1] is None else overlap(taken[0], taken[1], counts)
    when = [None if each is None else each.when for each in taken]
    return SpanOverlap(agreement, (when[0], when[1]), counts, (left.note, right.note))
