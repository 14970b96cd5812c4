"""The values that losses have by themselves, of one process and of several."""

import math
from collections.abc import Callable

from eigenstep.analysis import CHANCE, FLOOR, OF_ONE_PROCESS, Landmark

BLIND = "all embeddings are one, or views of one sample are no more alike than those of two"
SMALL = "embeddings have hardly any length yet, or all are one"
PERFECT = "views of one sample are one and the loss asks for no more"
ENDLESS = "approached as embeddings grow without end"


def landmarks_over_processes(
    find: Callable[[int], list[Landmark]], pairs: int, processes: int, *, gathers: bool, least: int
) -> list[Landmark]:
    """The landmarks of a loss of a batch of `pairs` in all, and chance where each process sees its own alone.

    Parameters
    ----------
    find : Callable[[int], list[Landmark]]
        Gives the landmarks of a loss that sees so many pairs.
    gathers : bool
        Whether the loss sees the batches of all processes as one.
    least : int
        Pairs without which the loss is not defined.

    Raises
    ------
    ValueError
        For a batch that is not shared evenly among the processes, or smaller than the loss needs.
    """
    if processes < 1 or pairs % processes:
        raise ValueError(f"expected pairs to be a multiple of the processes, got {pairs} and {processes}")
    own_pairs = pairs // processes
    seen = pairs if gathers else own_pairs
    if seen < least:
        raise ValueError(f"the loss expects to see at least {least} pairs, got {seen}")
    found = find(seen)
    values = {mark.name: mark.value for mark in found}
    own = find(own_pairs) if least <= own_pairs < seen else []
    return found + [
        Landmark(OF_ONE_PROCESS, mark.value, f"each process sees its own {own_pairs} pairs only")
        for mark in own
        if mark.name == CHANCE and mark.value != values.get(CHANCE)
    ]


def choice_landmarks(count: int, says: str) -> list[Landmark]:
    """Of a cross-entropy over `count` alternatives: log(count), and 0.

    Examples
    --------
    >>> [(each.name, round(each.value, 3)) for each in choice_landmarks(8, "all are as likely")]
    [('chance', 2.079), ('floor', 0.0)]
    """
    return [
        Landmark(CHANCE, math.log(count), says),
        Landmark(FLOOR, 0.0, "each is told with certainty"),
    ]
