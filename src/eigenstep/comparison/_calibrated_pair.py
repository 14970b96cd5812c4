"""Two inputs of a comparison by all measures beside shuffled images; and each layer or moment with each."""

from dataclasses import dataclass

from eigenstep.comparison._agreement_map import MAPPED, AgreementMap, agreement_map, came_first
from eigenstep.comparison._calibration import Calibrated, calibrate, cannot_tell
from eigenstep.comparison._embedded import InputEmbeddings, Over
from eigenstep.comparison.measures import Undefined

# Of what is told of a pair without being asked for, the measures that few images make too high.
ALWAYS_TOLD = ("cka_linear_biased", "procrustes")


@dataclass(frozen=True)
class Asked:
    """What of each two inputs is calibrated.

    Attributes
    ----------
    agreement : bool
        All measures of them as a whole.
    each : Over | None
        Each of their layers or checkpoints with each, by `MAPPED`.
    neighbours, permutations, seed
        As of `calibrated_agreement`.
    """

    agreement: bool
    each: Over | None
    neighbours: int
    permutations: int
    seed: int


@dataclass(frozen=True, eq=False)
class InputMap:
    """The layers or checkpoints of one input, each with each of another's.

    Attributes
    ----------
    over : Over
        Which they are.
    rows, columns : list[str]
        What the first's and the second's are called.
    steps : tuple[list[int], list[int]] | None
        Of both, where both are runs by their checkpoints.
    found : AgreementMap
        How far they agree.
    """

    over: Over
    rows: list[str]
    columns: list[str]
    steps: tuple[list[int], list[int]] | None
    found: AgreementMap

    def which_first(self, names: tuple[str, str]) -> str:
        """Which run came first, in a sentence; empty where there is no saying."""
        return "" if self.steps is None else came_first(self.found, *self.steps, names)


def calibrate_pair(
    left: InputEmbeddings, right: InputEmbeddings, asked: Asked
) -> tuple[dict[str, Calibrated], list[InputMap], list[str]]:
    """What was asked for of two inputs, and what is to be told of it."""
    calibrated: dict[str, Calibrated] = {}
    one, other = left.whole.values, right.whole.values
    notes = cannot_tell(len(one), max(one.shape[1], other.shape[1]), ALWAYS_TOLD)
    if asked.agreement:
        calibrated, left_out = calibrate(one, other, None, asked.neighbours, asked.permutations, asked.seed)
        notes += left_out
    maps = []
    for measure in MAPPED if asked.each else ():
        try:
            maps.append(_map(left, right, measure, asked))
        except Undefined as error:
            notes.append(f"{measure} of {asked.each} is left out: {error}")
    return calibrated, maps, notes


def _map(left: InputEmbeddings, right: InputEmbeddings, measure: str, asked: Asked) -> InputMap:
    assert asked.each is not None, "maps are made where they are asked for"
    firsts, seconds = left.each(asked.each), right.each(asked.each)
    found = agreement_map(
        [each.values for each in firsts],
        [each.values for each in seconds],
        measure,
        neighbours=asked.neighbours,
        permutations=asked.permutations,
        seed=asked.seed,
    )
    first_steps, second_steps = (
        [each.step for each in side if each.step is not None] for side in (firsts, seconds)
    )
    are_courses = len(firsts) == len(first_steps) > 1 and len(seconds) == len(second_steps) > 1
    return InputMap(
        asked.each,
        [each.when for each in firsts],
        [each.when for each in seconds],
        (first_steps, second_steps) if are_courses and left.given.path != right.given.path else None,
        found,
    )
