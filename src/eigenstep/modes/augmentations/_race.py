"""Successive halving: seeds are added to the better half until the leaders are told apart or tie."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes.augmentations._standing import Standing

# Of (set, seed) pairs, what each image gained: whether it was told rightly, (n,) in [0, 1].
ScoreMany = Callable[[Sequence[tuple[int, int]]], Sequence[NDArray[np.float64]]]
# Of how much accuracy it is not worth knowing who has it.
TIE_WITHIN = 0.005


def race(
    score: ScoreMany,
    sets: int,
    *,
    first_seeds: int = 2,
    trainings: int = 64,
    tie_within: float = TIE_WITHIN,
) -> Standing:
    """Score all sets with a few seeds, then the better half with as many more, and so on.

    The better half is taken among all sets that are not told apart from the leader, those left behind before
    too, which then catch up. It ends when every other set is told apart from the leader, when all that are
    not differ from it by less than `tie_within` even at the end of their intervals, or when the trainings are
    used up. Sets that were left behind have fewer seeds: their intervals are wider.

    Parameters
    ----------
    score : ScoreMany
        Trains: called with pairs (set, seed), seeds from 0 on, and returns for each what `Standing` takes.
    sets : int
        How many.
    first_seeds : int
        Seeds of every set, at least 2, for one tells nothing of how much seeds differ.
    trainings : int
        At most so many in all, those of the first seeds in any case.
    tie_within : float
        In shares of the images.

    Raises
    ------
    ValueError
        No sets, or fewer than two first seeds.

    Examples
    --------
    >>> chances = [0.5, 0.7, 0.5, 0.5]
    >>> def play(pairs):
    ...     rngs = [np.random.default_rng([place, seed]) for place, seed in pairs]
    ...     return [(rng.random(1000) < chances[place]) * 1.0 for (place, _), rng in zip(pairs, rngs)]
    >>> race(play, 4).tied
    [1]
    """
    if sets < 1 or first_seeds < 2:
        raise ValueError(f"expected at least 1 set and 2 first seeds, got {sets} and {first_seeds}")
    right: list[list[NDArray[np.float64]]] = [[] for _ in range(sets)]

    def train(places: Sequence[int], seeds: int) -> Standing:
        """Have so many seeds of each of these sets."""
        pairs = [(place, run) for run in range(seeds) for place in places if run >= len(right[place])]
        for (place, _), found in zip(pairs, score(pairs), strict=True):
            right[place].append(found)
        return Standing(right)

    size, seeds = sets, first_seeds
    standing = train(range(sets), seeds)
    while len(standing.tied) > 1 and not _all_alike(standing, tie_within):
        size, seeds = max(2, -(-size // 2)), 2 * seeds
        running = standing.tied[:size]
        left = trainings - sum(standing.seeds)
        while seeds and sum(max(seeds - standing.seeds[place], 0) for place in running) > left:
            seeds -= 1
        if all(standing.seeds[place] >= seeds for place in running):
            break
        standing = train(running, seeds)
    return standing


def _all_alike(standing: Standing, within: float) -> bool:
    """Whether the sets that are not told apart from the leader differ from it by less than this."""
    for place in standing.tied:
        found = standing.behind(place)
        if place != standing.leader and -found.value + standing.critical * found.error > within:
            return False
    return True
