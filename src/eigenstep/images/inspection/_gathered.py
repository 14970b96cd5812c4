"""What the images of a split are, all of them together."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from eigenstep.images.inspection._seen import Seen
from eigenstep.images.sources import SplitInventory

# So many images that cannot be used are named; the others are counted.
MOST_NAMED = 10_000
# An image is long if one side has more pixels than so many times the other.
LONG = 2.0


class Sizes(NamedTuple):
    """How large images are: each (width, height), ordered by their area.

    Attributes
    ----------
    smallest, median, largest : tuple[int, int]
        Of the images.
    different : int
        How many sizes there are.
    narrowest, widest : float
        The lowest and the highest width / height.
    long : int
        How many images have one side of more than twice the other.
    smaller : int
        How many have a side of fewer pixels than they are stored with.
    """

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    different: int
    narrowest: float
    widest: float
    long: int
    smaller: int


class Values(NamedTuple):
    """The values of all images of one type of numbers.

    Attributes
    ----------
    images : int
        How many.
    low, high : float
        The lowest and the highest finite value; NaN where there is none.
    """

    images: int
    low: float
    high: float

    def joined(self, other: "Values") -> "Values":
        """Those of these images and others."""
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return Values(self.images + other.images, float(low), float(high))


@dataclass
class SplitInspection:
    """What a split holds.

    Attributes
    ----------
    name : str
        The split's; of data that has none, nothing.
    count : int
        How many images there are, broken ones included.
    looked : int
        How many were looked at, which is all unless a limit was set.
    classes : dict[str, int]
        How many of the `count` images each class has; "unlabelled" for those without.
    broken : int
        How many cannot be used.
    broken_names : list[tuple[str, str]]
        Of the first 10,000, each with the reason.
    sizes : Sizes | None
        None where no image can be used.
    formats : Counter[str]
        How many images are of each format, in words.
    channels : Counter[int]
        How many have so many, in their files.
    values : dict[str, Values]
        By NumPy's name of their type.
    with_gaps, constant, grey_in_colours, transparent, paged, animated : int
        How many have values that are no finite numbers, the same value everywhere, three equal channels,
        transparency, files of several pages, files of several frames of an animation.
    """

    name: str
    count: int
    looked: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    broken_names: list[tuple[str, str]] = field(default_factory=list)
    sizes: Sizes | None = None
    formats: Counter[str] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    values: dict[str, Values] = field(default_factory=dict)
    with_gaps: int = 0
    constant: int = 0
    grey_in_colours: int = 0
    transparent: int = 0
    paged: int = 0
    animated: int = 0

    @property
    def used(self) -> int:
        return self.looked - self.broken


class Gathered:
    """Takes what was seen of a split's images; of each that can be used it keeps 24 bytes.

    Attributes
    ----------
    split : SplitInspection
        What is known so far; the sizes after `finish`.
    rows, digests : array
        Of the images that can be used, in their order.
    """

    def __init__(self, split: SplitInventory) -> None:
        self.split = SplitInspection(split.name, split.count, classes=split.classes)
        self.rows, self.digests = array("Q"), array("Q")
        self._widths, self._heights = array("I"), array("I")

    def add(self, seen: Seen) -> None:
        split = self.split
        split.looked += 1
        if seen.reason is not None:
            split.broken += 1
            if len(split.broken_names) < MOST_NAMED:
                split.broken_names.append((seen.name, seen.reason))
            return
        self.rows.append(seen.row)
        self.digests.append(seen.digest)
        self._widths.append(seen.width)
        self._heights.append(seen.height)
        split.formats[seen.form] += 1
        split.channels[seen.channels] += 1
        own = Values(1, seen.low, seen.high)
        split.values[seen.dtype] = own.joined(split.values[seen.dtype]) if seen.dtype in split.values else own
        split.with_gaps += seen.has_gaps
        split.constant += seen.is_constant
        split.grey_in_colours += seen.is_grey_in_colours
        split.transparent += seen.is_transparent
        split.paged += seen.is_paged
        split.animated += seen.is_animated

    def finish(self, stored: int) -> SplitInspection:
        """The split; `stored` is how many pixels wide and high images are stored."""
        if not self.rows:
            return self.split
        sizes = np.stack([np.array(self._widths), np.array(self._heights)], axis=1).astype(np.int64)
        order = np.argsort(sizes.prod(axis=1), kind="stable")
        aspects = sizes[:, 0] / sizes[:, 1]
        first, middle, last = (
            (int(width), int(height)) for width, height in sizes[order[[0, (len(order) - 1) // 2, -1]]]
        )
        self.split.sizes = Sizes(
            first,
            middle,
            last,
            different=len(np.unique(sizes, axis=0)),
            narrowest=float(aspects.min()),
            widest=float(aspects.max()),
            long=int(((aspects > LONG) | (aspects < 1 / LONG)).sum()),
            smaller=int((sizes.min(axis=1) < stored).sum()),
        )
        return self.split
