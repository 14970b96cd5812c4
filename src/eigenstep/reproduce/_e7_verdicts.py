"""Which families of ways of learning go together, by a fixed rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eigenstep.reproduce._e7_ways import CROPS

Array = NDArray[np.float64]
Word = Literal["are as one", "go together", "are undecided", "stay apart"]
# What nobody trained.
FLOORS = ("untrained", "pixels")


@dataclass(frozen=True, eq=False)
class WaysAgreement:
    """Agreement of W ways, each trained with S seeds, by one measure at one moment of training.

    Attributes
    ----------
    families : tuple[str, ...]
        (W,) the family of each way.
    values : Array
        (S, S, W, W): of way a with seed s and way b with seed t at [s, t, a, b]; 1 of a network with itself.
    references : dict[str, Array]
        (S, W): agreement with an untrained network of another seed, the pixels, and modes in closed form.

    Examples
    --------
    >>> agreement = np.array([[0.9, 0.3], [0.3, 0.8]])  # of two ways, with two seeds
    >>> found = WaysAgreement(("joint embedding", "reconstruction"), np.tile(agreement, (2, 2, 1, 1)), {})
    >>> found.ceiling("joint embedding"), found.across("joint embedding", "reconstruction")
    (array([0.9, 0.9]), array([0.3, 0.3]))
    """

    families: tuple[str, ...]
    values: Array
    references: dict[str, Array]

    def of_other_seeds(self) -> Array:
        """(S, W, W): of a network of each seed with those of the other seeds, symmetric in the ways.

        Two such networks share their images and nothing else; on the diagonal is the ceiling, agreement of a
        way with itself.
        """
        seeds = len(self.values)
        others = np.where(np.eye(seeds, dtype=bool)[..., None, None], 0.0, self.values)
        mean: Array = others.sum(axis=1) / (seeds - 1)
        return (mean + mean.transpose(0, 2, 1)) / 2

    def of_same_start(self) -> Array:
        """(S, W, W): of networks of one seed, which share first weights, batches and views too."""
        seeds = range(len(self.values))
        same: Array = self.values[seeds, seeds]
        return same

    def places(self, *families: str) -> NDArray[np.intp]:
        """Which ways are of these families."""
        return np.flatnonzero(np.isin(self.families, families))

    def across(self, first: str, second: str) -> Array:
        """(S,) mean agreement of two families' ways, of one family that of its different ways.

        NaN of a single way with itself.
        """
        rows, columns = np.meshgrid(self.places(first), self.places(second), indexing="ij")
        different = rows != columns
        found = self.of_other_seeds()[:, rows[different], columns[different]]
        return found.mean(axis=1) if found.size else np.full(len(found), np.nan)

    def among_all(self) -> Array:
        """(S,) mean agreement of all different ways that have the first set of augmentations."""
        places = np.flatnonzero(np.array(self.families) != CROPS)
        found = self.of_other_seeds()[:, places[:, None], places]
        mean: Array = found[:, ~np.eye(len(places), dtype=bool)].mean(axis=1)
        return mean

    def ceiling(self, *families: str) -> Array:
        """(S,) mean agreement of the families' ways with themselves, of other seeds."""
        places = self.places(*families)
        found: Array = self.of_other_seeds()[:, places, places].mean(axis=1)
        return found

    def floor(self, *families: str) -> Array:
        """(S,) the most that the families' ways agree, in the mean, with what nobody trained."""
        places = self.places(*families)
        return np.max([self.references[name][:, places].mean(axis=1) for name in FLOORS], axis=0)


@dataclass(frozen=True)
class Difference:
    """A difference of two agreements: its mean over seeds, and their standard deviation."""

    mean: float
    spread: float

    @classmethod
    def of(cls, by_seed: Array) -> "Difference":
        return cls(float(by_seed.mean()), float(by_seed.std(ddof=1)))

    @property
    def sign(self) -> int:
        """1 or -1 where it is larger than its spread over seeds, else 0."""
        return int(np.sign(self.mean)) if abs(self.mean) > self.spread else 0

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ± {self.spread:.2f}"


@dataclass(frozen=True)
class Together:
    """Whether two families go together.

    Attributes
    ----------
    families : tuple[str, str]
        Which.
    across, floor, ceiling : float
        Means over seeds, see `WaysAgreement`.
    above_floor, below_ceiling : Difference
        What decides.
    """

    families: tuple[str, str]
    across: float
    floor: float
    ceiling: float
    above_floor: Difference
    below_ceiling: Difference

    @property
    def word(self) -> Word:
        """The rule: together are families that agree more with each other than with what nobody trained.

        By more than the spread over seeds; as one if seeds of the same way do not agree more, by as much.
        """
        if self.above_floor.sign < 1:
            return "stay apart" if self.above_floor.sign else "are undecided"
        return "go together" if self.below_ceiling.sign > 0 else "are as one"

    @property
    def name(self) -> str:
        first, second = self.families
        return f"within {first}" if first == second else f"{first} and {second}"

    @property
    def sentence(self) -> str:
        first, second = self.families
        who = f"The ways of {first}" if first == second else _capital(self.name)
        return (
            f"{who} {self.word}: they agree to {self.across:.2f}, and to {self.floor:.2f} with what nobody"
            f" trained ({self.above_floor}); seeds of one way agree to {self.ceiling:.2f}."
        )


def family_pairs(found: WaysAgreement) -> list[tuple[str, str]]:
    """Two families each, a family and itself where it has several ways, in the order of the ways."""
    names = [name for name in dict.fromkeys(found.families) if name != CROPS]
    return [
        (first, second)
        for first, second in combinations_with_replacement(names, 2)
        if first != second or len(found.places(first)) > 1
    ]


def together(found: WaysAgreement, first: str, second: str) -> Together:
    """Judge two families."""
    across, floor = found.across(first, second), found.floor(first, second)
    ceiling = found.ceiling(first, second)
    return Together(
        (first, second),
        float(across.mean()),
        float(floor.mean()),
        float(ceiling.mean()),
        Difference.of(across - floor),
        Difference.of(ceiling - across),
    )


def since(verdicts: Sequence[Together], steps: Sequence[int]) -> int:
    """The step from which on the last verdict stood at every snapshot.

    Examples
    --------
    >>> even, more, less = Difference(0.0, 0.1), Difference(0.3, 0.1), Difference(-0.3, 0.1)
    >>> course = [less, more, even, more, more]
    >>> since([Together(("a", "b"), 0.8, 0.5, 0.9, each, more) for each in course], [0, 10, 20, 30, 40])
    30
    """
    first = len(verdicts) - 1
    while first and verdicts[first - 1].word == verdicts[-1].word:
        first -= 1
    return steps[first]


def course_sentence(course: Sequence[WaysAgreement], steps: Sequence[int]) -> str:
    """Say whether all ways come closer to each other or part, from the first snapshot that is trained on.

    Examples
    --------
    >>> def moment(across):
    ...     agreement = np.array([[0.9, across], [across, 0.9]])
    ...     return WaysAgreement(("supervision", "reconstruction"), np.tile(agreement, (2, 2, 1, 1)), {})
    >>> course_sentence([moment(0.9), moment(0.6), moment(0.3)], [0, 50, 400])
    'Over training all ways part: ... to 0.90 untrained, 0.60 at step 50 and 0.30 at step 400 (...).'
    """
    untrained, first, *_, end = (found.among_all() for found in course)
    change = Difference.of(end - first)
    word = {1: "come closer", 0: "neither come closer nor part", -1: "part"}[change.sign]
    return (
        f"Over training all ways {word}: two different ones agree to {untrained.mean():.2f} untrained,"
        f" {first.mean():.2f} at step {steps[1]} and {end.mean():.2f} at step {steps[-1]} ({change})."
    )


def pixels_sentence(found: WaysAgreement, family: str, others: Sequence[str]) -> str:
    """Say whether a family stays with the pixels: agrees more with them than with any family of ways.

    Examples
    --------
    >>> agreement = np.array([[0.9, 0.3], [0.3, 0.8]])  # of two ways, with two seeds
    >>> pixels = {"pixels": np.array([[0.1, 0.60], [0.1, 0.62]])}
    >>> found = WaysAgreement(("joint embedding", "reconstruction"), np.tile(agreement, (2, 2, 1, 1)), pixels)
    >>> pixels_sentence(found, "reconstruction", ["joint embedding"])
    'Reconstruction stays with the pixels: ... to 0.61, ... joint embedding, to 0.30 (+0.31 ± 0.01).'
    """
    pixels = found.references["pixels"][:, found.places(family)].mean(axis=1)
    nearest = max(others, key=lambda other: float(found.across(family, other).mean()))
    across = found.across(family, nearest)
    left = Difference.of(pixels - across)
    word = {1: "stays with", 0: "cannot be told from", -1: "has left"}[left.sign]
    return (
        f"{_capital(family)} {word} the pixels: it agrees with them to {pixels.mean():.2f}, and with the"
        f" nearest family, {nearest}, to {across.mean():.2f} ({left})."
    )


def augmentations_sentence(found: WaysAgreement, changed: Mapping[int, int]) -> str:
    """Say whether another set of augmentations, or another method, takes a network further away.

    Parameters
    ----------
    changed : Mapping[int, int]
        The place of a way, and that of the same loss with crops alone.

    Examples
    --------
    >>> agreement = np.array([[0.9, 0.7, 0.4], [0.7, 0.9, 0.3], [0.4, 0.3, 0.9]])
    >>> families = ("joint embedding", "supervision", CROPS)
    >>> found = WaysAgreement(families, np.tile(agreement, (2, 2, 1, 1)), {})
    >>> augmentations_sentence(found, changed={0: 2})
    'Augmentations matter more than the method: with another set a way agrees with itself to 0.40; ...'
    """
    agreement = found.of_other_seeds()
    methods = [place for place, family in enumerate(found.families) if family != CROPS]
    by_views = np.mean([agreement[:, one, other] for one, other in changed.items()], axis=0)
    by_method = np.mean(
        [agreement[:, one, other] for one in changed for other in methods if other != one], axis=0
    )
    gap = Difference.of(by_method - by_views)
    word = {1: "matter more than", 0: "cannot be told from", -1: "matter less than"}[gap.sign]
    return (
        f"Augmentations {word} the method: with another set a way agrees with itself to"
        f" {by_views.mean():.2f}; with the same set, ways agree with other ways to {by_method.mean():.2f}"
        f" ({gap})."
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
