"""At which of a run's moments its first modes are compared with another's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# Modes k and k + 1 are told apart where their variances differ by this factor.
CONTRAST = 2.0


def stand_out(variances: ArrayLike, modes: int) -> bool:
    """Whether the first of an embedding's directions stand out from the next one.

    Parameters
    ----------
    variances : ArrayLike
        (d,) along the principal directions, descending.

    Examples
    --------
    >>> stand_out([3.0, 1.0, 0.9], 1), stand_out([3.0, 1.0, 0.9], 2), stand_out([3.0, 1.0, 0.9], 3)
    (True, False, False)
    """
    known = np.asarray(variances, dtype=np.float64)
    return bool(modes < len(known) and known[modes - 1] > 0 and known[modes - 1] >= CONTRAST * known[modes])


@dataclass(frozen=True)
class Moment:
    """Where a run's first modes are taken from.

    Attributes
    ----------
    place : int | None
        Which of its moments; None where there is none.
    modes : int
        How many modes are taken there: as many as were asked for, or more where they came together.
    note : str
        Why there is none, or why it is another moment than one at which just so many had been learned; empty
        where there is nothing to say.
    """

    place: int | None
    modes: int
    note: str = ""


def moment_of(modes: int, learned: Sequence[int | None], apart: Callable[[int, int], bool]) -> Moment:
    """At which moment a run's first modes are compared with those of another run.

    At the last one at which just these had been learned and stand out. Of modes that came several at once
    there is none, and the first few of them are arbitrary: then all that came together are taken, the fewest
    that stand out, and the other's modes are looked for in what these span. Where nothing at all was seen to
    rise, as from a standard start, the last moment of all is taken, if the modes stand out there: an earlier
    one is closer to the weights that the run began with, which two runs of one seed share.

    Parameters
    ----------
    learned : Sequence[int | None]
        (T,) how many had been learned at each moment; None where nothing tells.
    apart : Callable[[int, int], bool]
        Whether, at a moment, so many modes stand out from the next one, see `stand_out`.

    Examples
    --------
    >>> always = lambda place, modes: True
    >>> moment_of(2, [0, 1, 2, 2, 4], always)
    Moment(place=3, modes=2, note='')
    >>> moment_of(3, [0, 1, 2, 2, 4], always)
    Moment(place=4, modes=4, note='4 modes came together')
    >>> moment_of(5, [0, 1, 2, 2, 4], always)
    Moment(place=None, modes=5, note='at most 4 modes learned at the moments kept')
    """
    known = [count or 0 for count in learned]
    what = "the first mode does" if modes == 1 else f"the first {modes} modes do"
    if not any(known):
        last = len(known) - 1
        if last >= 0 and apart(last, modes):
            return Moment(last, modes, "no rise was seen")
        return Moment(None, modes, f"no rise was seen, and {what} not stand out at the end")
    for count in sorted({count for count in known if count >= modes}):
        just = [place for place, each in enumerate(known) if each == count and apart(place, count)]
        if just:
            note = "" if count == modes else f"{count} modes came together"
            return Moment(just[-1], count, note)
    if max(known) < modes:
        had = "mode" if max(known) == 1 else "modes"
        return Moment(None, modes, f"at most {max(known)} {had} learned at the moments kept")
    return Moment(None, modes, f"{what} not stand out at the moments kept")
