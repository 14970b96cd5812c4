"""What a source of images is: a name that stands for splits, read in random access or in order."""

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images._samples import Labels, Record, Sample, Value, read_labels


@dataclass(frozen=True)
class Named:
    """What the user named, looked at once for all sources."""

    data: str

    @cached_property
    def path(self) -> Path:
        return Path(self.data).expanduser()

    @cached_property
    def files(self) -> list[str]:
        """The names of the folder's files, at any depth."""
        return [name for _, _, files in os.walk(self.path) for name in files]

    @cached_property
    def suffixes(self) -> set[str]:
        """The endings of these files, hidden ones aside, in small letters."""
        return {Path(name).suffix.lower() for name in self.files if name[0] != "."}


class RandomAccess(ABC):
    """A split whose images can be read in any order.

    Attributes
    ----------
    data : str
        As the user named it.
    damage : Sequence[str]
        What is missing of damaged files that are passed over.
    """

    data: str
    damage: Sequence[str] = ()

    @abstractmethod
    def count(self) -> int:
        """How many images there are, broken ones included."""

    @abstractmethod
    def records(self, rows: list[int]) -> Sequence[Record]:
        """The images of these rows, encoded."""

    @abstractmethod
    def name(self, row: int, record: Record) -> str:
        """What a row's image is called where it is broken."""

    def sample(self, row: int) -> Sample:
        record = self.records([row])[0]
        return Sample(self.name(row, record), record, None)

    def samples(self) -> Iterator[Sample]:
        """All images, in the order in which they are stored."""
        return map(self.sample, range(self.count()))


class Shard(Protocol):
    def samples(self) -> Iterator[Sample]: ...


@dataclass(frozen=True)
class Shards:
    """A split that can only be read in order: shards, each from its beginning to its end.

    Attributes
    ----------
    data : str
        As the user named it.
    shards : Sequence[Shard]
        Each can be read again and again.
    limit : int | None
        Only so many samples are there.
    class_names : list[str] | None
        Where the data set describes its classes.
    damage : list[str]
        What is missing of damaged files that are passed over, as far as they have been read.
    """

    data: str
    shards: Sequence[Shard]
    limit: int | None
    class_names: list[str] | None = None
    damage: list[str] = field(default_factory=list)

    def count(self) -> int:
        """How many samples there are, for which the shards are read through."""
        return sum(1 for _ in self.samples())

    def samples(self) -> Iterator[Sample]:
        """All samples, in the order in which they are stored."""
        return islice((sample for shard in self.shards for sample in shard.samples()), self.limit)

    def shuffled(self, buffer: int, generator: np.random.Generator) -> Iterator[Sample]:
        """All samples in an order that the generator determines.

        Shards come in a random order, and every sample is drawn from a buffer of `buffer` of them, into
        whose place the next one goes. With a limit the shards keep their order, so that the same images are
        read every time.
        """
        order = np.arange(len(self.shards))
        if self.limit is None:
            generator.shuffle(order)
        shards = [self.shards[index] for index in order.tolist()]
        samples = islice((sample for shard in shards for sample in shard.samples()), self.limit)
        waiting = list(islice(samples, buffer))
        for sample in samples:
            place = generator.integers(len(waiting))
            yield waiting[place]
            waiting[place] = sample
        for place in generator.permutation(len(waiting)):
            yield waiting[place]


class Source(ABC):
    """Where images come from. An implementation is a file of its own, and a line of `find_source`'s registry.

    Parameters
    ----------
    data : str
        For which `matches` holds.

    Attributes
    ----------
    names : ClassVar[Sequence[str]]
        That stand for data of this source, beside paths.
    files : ClassVar[str]
        In words, what a folder of this source holds.
    lacks : ClassVar[Sequence[Literal['splits', 'labels']]]
        What its images never have.
    is_made : ClassVar[bool]
        Its images are made, not read: they are in memory, whatever `ImagesConfig.stream` says.
    is_remote : ClassVar[bool]
        Reading a split to its end takes a network.
    data : str
        As the user named it.
    """

    names: ClassVar[Sequence[str]] = ()
    files: ClassVar[str] = ""
    lacks: ClassVar[Sequence[Literal["splits", "labels"]]] = ()
    is_made: ClassVar[bool] = False
    is_remote: ClassVar[bool] = False

    def __init__(self, data: str) -> None:
        self.data = data

    @classmethod
    @abstractmethod
    def matches(cls, named: Named) -> bool:
        """Whether this source reads what the user named."""

    @abstractmethod
    def splits(self) -> list[str]:
        """The names of its splits."""

    @abstractmethod
    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> RandomAccess | Shards:
        """The first `config.limit` images of `config.split`.

        Parameters
        ----------
        seed : int
            Of what is drawn, where images are made by chance.
        labels : bool
            Samples that can only be read in order come with their labels; without, none is looked at.

        Raises
        ------
        ValueError
            In one line if there is no such split, or if `config.column` names none of images.
        """

    @abstractmethod
    def labels(self, config: ImagesConfig) -> Labels:
        """The labels of the split in its order, up to the limit at least; its images are not read.

        Raises
        ------
        ValueError
            If there are none, or if `config.label` names none.
        """

    def count(self, config: ImagesConfig) -> int:
        """How many images `open` gives, broken ones included; where only reading on tells, labels are not."""
        return self.open(config).count()

    def need(self, *what: Literal["splits", "labels"], option: str) -> None:
        """Raises ValueError, with the option that sets other data, if its images lack what is needed."""
        missing = [each for each in what if each in self.lacks]
        if missing:
            raise ValueError(
                f"{self.data} have no {' and no '.join(missing)}; set {option} to a labelled data set"
            )


def labels_of_shards(
    open_labels: Callable[[ImagesConfig], Shards], splits: Sequence[str], config: ImagesConfig
) -> Labels:
    """The labels of all samples of the split as they are stored, for which it is read through.

    Parameters
    ----------
    open_labels : Callable[[ImagesConfig], Shards]
        Gives a split's samples with their labels alone.
    splits : Sequence[str]
        All that there are.

    Raises
    ------
    ValueError
        If there are none.
    """

    def values(split: str) -> Iterator[Value]:
        return (sample.label for sample in open_labels(dataclasses.replace(config, split=split)).samples())

    opened = open_labels(config)
    others = [values(split) for split in splits if split != config.split]
    return read_labels(opened.data, values(config.split), others, opened.class_names)
