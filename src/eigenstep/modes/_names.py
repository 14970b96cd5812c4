"""Names of modes, where they are earned: by what they are and by being found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._evaluated import EvaluatedModes, orthonormal
from eigenstep.modes._found_again import found_again, span_found_again
from eigenstep.modes._held_out import Halves, held_out_r2

Array = NDArray[np.float64]

# A name says at least this share of the mode's variance, on images that it was not chosen by.
EXPLAINED = 0.5
# The same mode, or span, is found again where |correlation| is at least this.
AGAIN = 0.8
# Modes whose neighbours' eigenvalues have a smaller ratio are mixtures that chance decides.
NEARLY_EQUAL = 1.15
# Of an unnamed mode what comes nearest is told from this share on.
NEAR = 0.1
# Modes of a block at most.
BLOCK = 4
# Of statistics that explain as much to within this the first in the list gives the name.
TIE = 0.02


@dataclass(frozen=True)
class ModeName:
    """What a mode, or a block of modes that cannot be told apart, means.

    Attributes
    ----------
    first, last : int
        Which modes, counted from 1; the same for a single one.
    statistics : tuple[str, ...]
        What it is called by; empty where no name is earned.
    best : tuple[str, ...]
        What comes nearest, whether or not that earns the name.
    r2 : float
        Held-out R^2 of the mode, or of the block's span, by `best`.
    again : float
        |correlation| with the mode found again; of a block that of the spans.
    strength : float
        Its eigenvalue, of a block the largest.
    nearly_equal : bool
        Whether the eigenvalue of a neighbour is nearly the same.
    sign : int
        -1 where the mode falls with the statistic that it is nearest to.
    """

    first: int
    last: int
    statistics: tuple[str, ...]
    best: tuple[str, ...]
    r2: float
    again: float
    strength: float
    nearly_equal: bool = False
    sign: int = 1

    @property
    def is_block(self) -> bool:
        return self.last > self.first

    @property
    def name(self) -> str:
        """The name in words, or "unnamed".

        Examples
        --------
        >>> ModeName(1, 1, ("brightness",), ("brightness",), 0.85, 0.97, 0.3).name
        'brightness'
        """
        if not self.statistics:
            return "unnamed"
        *others, last = self.statistics
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def sentence(self) -> str:
        """As it is printed.

        Examples
        --------
        >>> ModeName(1, 1, ("brightness",), ("brightness",), 0.85, 0.97, 0.3).sentence
        'mode 1: brightness (R² .85 held out, found again .97)'
        """
        which = f"modes {self.first}-{self.last} together" if self.is_block else f"mode {self.first}"
        found = f"found again {short(self.again)}"
        if self.statistics:
            return f"{which}: {self.name} (R² {short(self.r2)} held out, {found})"
        nearest = f"nearest {' and '.join(self.best)}, R² {short(self.r2)}, " if self.r2 >= NEAR else ""
        equal = ", nearly as strong as a neighbour" if self.nearly_equal and not self.is_block else ""
        return f"{which}: unnamed ({nearest}{found}{equal})"


def short(value: float) -> str:
    """Two decimals without the zero before them.

    Examples
    --------
    >>> short(0.851), short(1), short(-0.004)
    ('.85', '1.00', '0')
    """
    text = f"{value:.2f}"
    if text in ("0.00", "-0.00"):
        return "0"
    return text.replace("0.", ".", 1) if abs(value) < 0.995 else text


def name_modes(
    modes: EvaluatedModes, names: Sequence[str], statistics: Array, split: Halves, most: int = 64
) -> list[ModeName]:
    """Name modes one by one, and together those that are only found again together.

    What a mode is called by is chosen on one half of the images and judged on the other, so that a choice
    among many statistics earns nothing by chance.

    Parameters
    ----------
    modes : EvaluatedModes
        On n images.
    names, statistics : Sequence[str], Array
        (n, s), simplest first.
    most : int
        Modes at most.

    Examples
    --------
    >>> from eigenstep.modes._held_out import halves
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> modes = EvaluatedModes(x[:, :2], np.array([2.0, 1.0]), x[:, [0, 2]])
    >>> [each.name for each in name_modes(modes, ["size", "place"], x[:, :2], halves(100))]
    ['size', 'unnamed']
    """
    count = min(most, modes.values.shape[1])
    alone = found_again(modes.values[:, :count], modes.again)
    named: list[ModeName] = []
    start = 0
    while start < count:
        stop, again = start + 1, float(alone[start])
        if again < AGAIN:
            stop, again = _block(modes, start, count, again)
        named.append(_named(modes, start, stop, again, names, statistics, split))
        start = stop
    return named


def _block(modes: EvaluatedModes, start: int, count: int, alone: float) -> tuple[int, float]:
    """Where the smallest block ends that begins here and is found again; else the mode by itself."""
    for stop in range(start + 2, min(start + BLOCK, count, modes.again.shape[1]) + 1):
        again = span_found_again(modes.values[:, start:stop], modes.again[:, start:stop])
        if again >= AGAIN:
            return stop, again
    return start + 1, alone


def _named(
    modes: EvaluatedModes,
    start: int,
    stop: int,
    again: float,
    names: Sequence[str],
    statistics: Array,
    split: Halves,
) -> ModeName:
    span = orthonormal(modes.values[:, start:stop])
    best, r2 = _nearest(span, statistics, split, max(2, stop - start))
    earned = r2 >= EXPLAINED and again >= AGAIN
    words = tuple(names[place] for place in best)
    sign = 1
    if best and stop - start == 1:
        sign = 1 if span[:, 0] @ (statistics[:, best[0]] - statistics[:, best[0]].mean()) >= 0 else -1
    return ModeName(
        start + 1,
        stop,
        words if earned else (),
        words,
        r2,
        again,
        float(modes.strengths[start]),
        _nearly_equal(modes.strengths, start, stop),
        sign,
    )


def _nearest(span: Array, statistics: Array, split: Halves, most: int) -> tuple[list[int], float]:
    """The fewest statistics that earn a name, else the one that is nearest, with held-out R^2.

    Which ones is decided by the first half alone: each next one explains most together with those before.
    """
    half = split.first
    chosen: list[int] = []
    tried: list[tuple[list[int], float]] = []
    columns = statistics[half] - statistics[half].mean(axis=0)
    lengths = np.linalg.norm(columns, axis=0)
    usable = lengths > 0
    columns = columns / np.where(usable, lengths, 1)
    wanted = span[half] - span[half].mean(axis=0)
    total = float(np.square(wanted).sum())
    for _ in range(min(most, int(usable.sum()))):
        left = np.linalg.norm(columns, axis=0)
        free = usable & (left > 0.1)  # what those before say already is not said again
        free[chosen] = False
        if not free.any():
            break
        gains = np.square((columns / np.where(left > 0, left, 1)).T @ wanted).sum(axis=1) / max(total, 1e-300)
        gains[~free] = -1
        place = int(np.flatnonzero(gains >= gains.max() - TIE)[0])
        chosen = [*chosen, place]
        r2 = float(held_out_r2(statistics[:, chosen], span, split, joint=True, once=True)[0])
        tried.append((chosen, r2))
        if r2 >= EXPLAINED:
            break
        axis = columns[:, place] / left[place]
        columns = columns - np.outer(axis, axis @ columns)
        wanted = wanted - np.outer(axis, axis @ wanted)
    if not tried:
        return [], 0.0
    return tried[-1] if tried[-1][1] >= EXPLAINED else tried[0]


def _nearly_equal(strengths: Array, start: int, stop: int) -> bool:
    """Whether an eigenvalue outside is nearly that of the mode, or block, beside it."""
    above = start > 0 and strengths[start - 1] < NEARLY_EQUAL * strengths[start]
    below = stop < len(strengths) and strengths[stop - 1] < NEARLY_EQUAL * strengths[stop]
    return bool(above or below)
