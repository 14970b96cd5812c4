"""What a source of images is: a name that stands for splits, read in random access or in order."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal, Protocol

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import Record
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._passed_over import PassedOver
from eigenstep.images.sources._samples import Labels, Sample, Value, read_labels


class RandomAccess(ABC):
    """A split whose images can be read in any order.

    Attributes
    ----------
    data : str
        As the user named it.
    damage : Sequence[str]
        What is missing of damaged files that are passed over.
    passed_over : PassedOver
        What was found and is not used: files and images found = used + broken + passed over.
    notes : Sequence[str]
        What was taken from how the data set is laid out, each a line.
    """

    data: str
    damage: Sequence[str] = ()
    passed_over: PassedOver = PassedOver()
    notes: Sequence[str] = ()

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
    """Images that can only be read in order, or are.

    Attributes
    ----------
    name : str
        What it is called.
    passed_over : PassedOver
        What of it is not used; known when it has been read to its end.
    """

    @property
    def name(self) -> str: ...
    @property
    def passed_over(self) -> PassedOver: ...

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
    listed : PassedOver
        What was found beside the shards.
    notes : Sequence[str]
        What was taken from how the data set is laid out, each a line.
    """

    data: str
    shards: Sequence[Shard]
    limit: int | None
    class_names: list[str] | None = None
    damage: list[str] = field(default_factory=list)
    listed: PassedOver = field(default_factory=PassedOver)
    notes: Sequence[str] = ()
    _unread: list[str] = field(default_factory=list)

    @property
    def passed_over(self) -> PassedOver:
        """What was found and is not used, of the shards as far as they have been read.

        What is behind the limit is not counted; the shards that have it are named.
        """
        passed = PassedOver()
        for each in (self.listed, *(shard.passed_over for shard in self.shards)):
            passed.include(each)
        passed.extend(self._unread, f"read no further than --images.limit {self.limit}")
        return passed

    def count(self) -> int:
        """How many samples there are, for which the shards are read through."""
        return sum(1 for _ in self.samples())

    def samples(self) -> Iterator[Sample]:
        """All samples, in the order in which they are stored."""
        return self._limited(self.shards)

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
        samples = self._limited(shards)
        waiting = list(islice(samples, buffer))
        for sample in samples:
            place = generator.integers(len(waiting))
            yield waiting[place]
            waiting[place] = sample
        for place in generator.permutation(len(waiting)):
            yield waiting[place]

    def _limited(self, shards: Sequence[Shard]) -> Iterator[Sample]:
        count = 0
        for index, shard in enumerate(shards):
            for sample in shard.samples():
                if count == self.limit:
                    self._unread[:] = [shard.name for shard in shards[index:]]
                    return
                yield sample
                count += 1


class Source(ABC):
    """Where images come from. An implementation is a file of its own, and a line of `find_source`'s registry.

    Parameters
    ----------
    named : Named
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

    def __init__(self, named: Named) -> None:
        self.data = named.data

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

    @property
    def passed_over(self) -> PassedOver:
        """What of that which splits have passed over is in none of them: it is counted in each."""
        return PassedOver()

    def need(self, *what: Literal["splits", "labels"], option: str) -> None:
        """Raises ValueError, with the option that sets other data, if its images lack what is needed."""
        missing = [each for each in what if each in self.lacks]
        if missing:
            raise ValueError(
                f"{self.data} have no {' and no '.join(missing)}; set {option} to a labelled data set"
            )


def check_split(data: str, split: str, splits: Sequence[str]) -> str:
    """The split's name; raises ValueError if there is no such split."""
    if split not in splits:
        raise ValueError(f"{data} has no split {split!r}; set --images.split to one of {', '.join(splits)}")
    return split


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
