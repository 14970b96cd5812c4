"""What a data set holds, found without decoding an image."""

import dataclasses
from collections import Counter
from dataclasses import dataclass

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._find_source import find_source
from eigenstep.images.sources._passed_over import PassedOver, other_split
from eigenstep.images.sources._samples import UNLABELLED, Labels
from eigenstep.images.sources._source import RandomAccess, Shards, Source


@dataclass(frozen=True)
class SplitInventory:
    """What a split holds.

    Attributes
    ----------
    name : str
        The split's.
    images : RandomAccess | Shards
        Its images, to be read; `samples()` gives them in their order.
    count : int
        How many there are, broken ones included.
    labels : Labels | None
        In the same order; None where there are none.
    """

    name: str
    images: RandomAccess | Shards
    count: int
    labels: Labels | None

    @property
    def classes(self) -> dict[str, int]:
        """How many images each class has, by its name or number, and how many none: "unlabelled"."""
        if self.labels is None:
            return {}
        counts = Counter(self.labels.numbers.tolist())
        missing = counts.pop(UNLABELLED, 0)
        names = self.labels.names
        known = {names[number] if names else str(number): counts[number] for number in sorted(counts)}
        return known | ({"unlabelled": missing} if missing else {})


@dataclass(frozen=True)
class Inventory:
    """What a data set holds.

    Attributes
    ----------
    data : str
        As the user named it.
    kind : str
        In words, what its files are.
    splits : list[SplitInventory]
        All, or one without a name for data that has none.
    passed_over : PassedOver
        What was found and is in no split; complete when those splits have been read that are read in order.
    notes : list[str]
        What was taken from how the data set is laid out, each a line.
    damage : list[str]
        What is missing of damaged files.
    """

    data: str
    kind: str
    splits: list[SplitInventory]
    passed_over: PassedOver
    notes: list[str]
    damage: list[str]


def take_inventory(data: str, config: ImagesConfig | None = None) -> Inventory:
    """What `data`, as `TrainConfig.data`, holds in all of its splits: no image is decoded.

    Tar archives are read through. Damaged files are told, unless `config.broken` is "refuse".

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if there are no images.

    Examples
    --------
    >>> found = take_inventory("photos", ImagesConfig(patches=5))
    >>> [(split.name, split.count) for split in found.splits]
    [('', 5)]
    """
    config = config or ImagesConfig()
    source = find_source(data)
    config = dataclasses.replace(config, broken="refuse" if config.broken == "refuse" else "pass")
    names = [] if "splits" in source.lacks else source.splits()
    splits = [_split(source, dataclasses.replace(config, split=name), name) for name in names]
    splits = splits or [_split(source, config, "")]
    passed, notes, damage = PassedOver(), list[str](), list[str]()
    passed.include(source.passed_over)
    for split in splits:
        notes += [note for note in split.images.notes if note not in notes]
        damage += [told for told in split.images.damage if told not in damage]
        own = split.images.passed_over.without(source.passed_over)
        for name in names:
            own.reasons.pop(other_split(name), None)
        passed.include(own)
    return Inventory(data, source.files, splits, passed, notes, damage)


def _split(source: Source, config: ImagesConfig, name: str) -> SplitInventory:
    opened = source.open(config)
    count, labels = opened.count(), None
    if "labels" not in source.lacks:
        try:
            labels = source.labels(config)
        except ValueError:  # there are none
            if config.label is not None:
                raise
    return SplitInventory(name, opened, count, labels)
