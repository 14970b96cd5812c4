"""Every layer, or every moment, of one input against every one of another; and which came first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenstep.comparison._null import (
    PERMUTATIONS,
    chance_of,
    checked,
    chosen,
    searched_p,
    shuffles,
    with_null,
)

# By which layers and moments are compared unless others are named.
MAPPED = ("cka_linear_debiased", "mutual_knn_cosine")
# An input has come to another's end when it agrees with it by this share of what it does in the end.
ARRIVED = 0.9
# Ends that agree by chance with a larger p have nothing in common of which one could come first.
BEYOND_CHANCE = 0.05


@dataclass(frozen=True, eq=False)
class AgreementMap:
    """A measure of each of m embeddings with each of k others, beside what shuffled images give.

    Attributes
    ----------
    measure : str
        Its name in `eigenstep.comparison.AGREEMENTS`.
    values, chances, z, p : NDArray[np.float64]
        (m, k), each pair by itself; z is NaN where shuffling changes nothing.
    searched_p : NDArray[np.float64]
        (m, k), corrected for having looked at all of them: the share of orders under which the closest of all
        pairs, by its own chance level, is at least as close as this one.
    larger_is_closer : bool
        False of distances.
    """

    measure: str
    values: NDArray[np.float64]
    chances: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    searched_p: NDArray[np.float64]
    larger_is_closer: bool = True

    @property
    def best(self) -> tuple[int, int]:
        """The pair that agrees most, of which `searched_p` is the p to go by."""
        closest = np.argmax(self.values if self.larger_is_closer else -self.values)
        row, column = np.unravel_index(closest, self.values.shape)
        return int(row), int(column)


def agreement_map(
    firsts: Sequence[ArrayLike],
    seconds: Sequence[ArrayLike],
    measure: str = MAPPED[0],
    *,
    neighbours: int = 10,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> AgreementMap:
    """Compare layers or checkpoints, each with each, with p corrected for the search.

    Under each order of the images all pairs are shuffled alike, and the closest of all by chance is what the
    closest found must surpass.

    Parameters
    ----------
    firsts, seconds : Sequence[ArrayLike]
        m arrays (n, d) and k others, all of the same images, row by row.
    measure : str
        A name in `eigenstep.comparison.AGREEMENTS`. Those of CKA, mutual k-NN and RSA are fast.

    Raises
    ------
    ValueError
        As `calibrated_agreement`, and where the measure is not defined for one of the arrays.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layers = rng.normal(size=(3, 40, 8))
    >>> found = agreement_map(layers, [rng.normal(size=(40, 5)), layers[1] + 0.5])
    >>> found.best, round(float(found.values[1, 1]), 12), float(found.searched_p[1, 1])
    ((1, 1), 1.0, 0.005)
    """
    left, right = checked(firsts, seconds)
    (asked,) = chosen([measure])
    orders = shuffles(len(left[0]), permutations, seed)
    values, null = with_null(asked, left, right, neighbours, orders)
    chance, _, z, p = chance_of(asked, values, null)
    return AgreementMap(
        measure, values, chance, z, p, searched_p(asked, values, null), asked.larger_is_closer
    )


def came_first(
    found: AgreementMap, first_steps: Sequence[int], second_steps: Sequence[int], names: tuple[str, str]
) -> str:
    """Say in one sentence which of two runs came sooner to where both end.

    A run has come to the other's end at the first snapshot that agrees with it by `ARRIVED` of what the run's
    own end does, both less their chance levels.

    Parameters
    ----------
    found : AgreementMap
        Of the snapshots of two runs, in the order of training, by a measure that is larger where they agree.
    first_steps, second_steps : Sequence[int]
        (m,) and (k,), of the snapshots.
    names : tuple[str, str]
        Of the runs.

    Examples
    --------
    >>> values = np.array([[0.1, 0.2, 0.2], [0.2, 0.5, 0.6], [0.3, 0.8, 0.8]])
    >>> blank = np.zeros((3, 3))
    >>> found = AgreementMap("cka_linear_debiased", values, blank, blank, blank, blank + 0.005)
    >>> came_first(found, [0, 10, 20], [0, 10, 20], ("A", "B"))
    "B came first: it agreed with A's end from step 10 on, A with B's from step 20"
    """
    above = found.values - found.chances
    if found.searched_p[-1, -1] > BEYOND_CHANCE:
        return f"{names[0]} and {names[1]} do not agree in the end beyond chance: neither came first"
    threshold = ARRIVED * above[-1, -1]
    first, second = (
        steps[int(np.argmax(course >= threshold))]
        for steps, course in ((first_steps, above[:, -1]), (second_steps, above[-1]))
    )
    told = {names[0]: first, names[1]: second}
    if first == second:
        return f"{names[0]} and {names[1]} agreed with each other's end from the same step on, {first}"
    sooner, later = sorted(names, key=lambda name: told[name])
    return (
        f"{sooner} came first: it agreed with {later}'s end from step {told[sooner]} on, {later} with"
        f" {sooner}'s from step {told[later]}"
    )
