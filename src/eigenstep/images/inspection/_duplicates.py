"""Images that a data set holds more than once, by their pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np

from eigenstep.images.inspection._gathered import Gathered
from eigenstep.images.sources import UNLABELLED, Labels, RandomAccess, Sample, Shards, SplitInventory

# So many groups are named, and so many images of each.
GROUPS, MEMBERS = 1000, 20


class Member(NamedTuple):
    """One of several equal images.

    Attributes
    ----------
    split, name : str
        Where it is.
    label : str | None
        Its class.
    """

    split: str
    name: str
    label: str | None


class Shared(NamedTuple):
    """Images of a split that another one has too.

    Attributes
    ----------
    split : str
        Which one.
    images : int
        How many of its images.
    other : str
        The split, before it, that has them too.
    """

    split: str
    images: int
    other: str


@dataclass
class Duplicates:
    """Images whose pixels are those of another one: equal in size, type, channels and every value.

    Equal files have equal pixels, so these are among them; an image that was resized or compressed anew is
    not.

    Attributes
    ----------
    images : int
        How many could be left out: all but one of each group.
    groups : int
        How many different images are there more than once.
    named : list[list[Member]]
        The first 20 images of the first 1,000 groups.
    shared : list[Shared]
        What splits have in common.
    contradictory : int
        How many groups have images of different classes.
    """

    images: int = 0
    groups: int = 0
    named: list[list[Member]] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    contradictory: int = 0


def find_duplicates(splits: Sequence[SplitInventory], gathered: Sequence[Gathered]) -> Duplicates:
    """The duplicates among the images that were gathered of these splits."""
    digests = [np.array(each.digests, dtype=np.uint64) for each in gathered]
    rows = np.concatenate([np.array(each.rows, dtype=np.int64) for each in gathered])
    where = np.repeat(np.arange(len(splits)), [len(each) for each in digests])
    classes = np.concatenate(
        [_classes(split.labels, each) for split, each in zip(splits, gathered, strict=True)]
    )
    groups = _groups(np.concatenate(digests))
    found = Duplicates(sum(len(group) - 1 for group in groups), len(groups))
    for first, second in combinations(range(len(splits)), 2):
        count = int(np.isin(digests[second], digests[first]).sum())
        if count:
            found.shared.append(Shared(splits[second].name, count, splits[first].name))
    for group in groups:
        known = classes[group][classes[group] != UNLABELLED]
        found.contradictory += bool(len(known) and (known != known[0]).any())
    shown = [group[:MEMBERS] for group in groups[:GROUPS]]
    names = dict[tuple[int, int], str]()
    wanted = np.concatenate([*shown, np.empty(0, np.int64)]).astype(np.int64)
    for number, split in enumerate(splits):
        for row, sample in samples_of(split.images, np.sort(rows[wanted[where[wanted] == number]]).tolist()):
            names[number, row] = sample.name
    for group in shown:
        found.named.append(
            [
                Member(
                    splits[where[each]].name,
                    names[int(where[each]), int(rows[each])],
                    class_name(splits[where[each]].labels, int(classes[each])),
                )
                for each in group.tolist()
            ]
        )
    return found


def samples_of(opened: RandomAccess | Shards, rows: Sequence[int]) -> Iterator[tuple[int, Sample]]:
    """The samples of some rows, ascending; what can only be read in order is read up to the last one."""
    if isinstance(opened, RandomAccess):
        yield from ((row, opened.sample(row)) for row in rows)
        return
    wanted = iter(rows)
    following = next(wanted, None)
    if following is None:
        return
    for row, sample in enumerate(opened.samples()):
        if row == following:
            yield row, sample
            following = next(wanted, None)
            if following is None:
                return


def class_name(labels: Labels | None, number: int) -> str | None:
    """What a class is called."""
    if labels is None or number == UNLABELLED:
        return None
    return labels.names[number] if labels.names else str(number)


def _classes(labels: Labels | None, gathered: Gathered) -> np.ndarray:
    if labels is None:
        return np.full(len(gathered.rows), UNLABELLED)
    return labels.numbers[np.array(gathered.rows, dtype=np.int64)]


def _groups(digests: np.ndarray) -> list[np.ndarray]:
    """Places of equal ones, ascending, the group with the first place first."""
    order = np.argsort(digests, kind="stable")
    edges = np.concatenate([[0], np.flatnonzero(np.diff(digests[order])) + 1, [len(order)]])
    several = np.flatnonzero(np.diff(edges) > 1)  # groups of one would be millions of arrays
    groups = [order[edges[group] : edges[group + 1]] for group in several.tolist()]
    return sorted(groups, key=lambda group: int(group[0]))
