"""Images that can only be read in order: shards, each from its beginning to its end."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from eigenstep.images._columns import image_column, label_column
from eigenstep.images._config import ImagesConfig
from eigenstep.images._labels import Labels, read_labels
from eigenstep.images._open_dataset import Source
from eigenstep.images._records import Sample, Value
from eigenstep.images._tars import TarShard


class Shard(Protocol):
    def samples(self) -> Iterator[Sample]: ...


@dataclass(frozen=True)
class Stream:
    """A split as a list of shards.

    Attributes
    ----------
    data : as the user named it
    shards : each can be read again and again
    limit : only so many samples are there
    class_names : where the data set describes its classes
    """

    data: str
    shards: list[Shard]
    limit: int | None
    class_names: list[str] | None = None

    def count(self) -> int:
        """How many samples there are, for which the stream is read through."""
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
        samples = islice((sample for index in order for sample in self.shards[index].samples()), self.limit)
        waiting = list(islice(samples, buffer))
        for sample in samples:
            place = generator.integers(len(waiting))
            yield waiting[place]
            waiting[place] = sample
        for place in generator.permutation(len(waiting)):
            yield waiting[place]


def open_stream(source: Source, config: ImagesConfig, *, images: bool = True, labels: bool = False) -> Stream:
    """The split's shards. Only what is asked for is read of them, images or labels or both.

    Raises ValueError if the split or a column does not exist.
    """
    if source.kind != "tars" and source.builder.name != "webdataset":
        return _open_table_stream(source, config, images, labels)
    files = [path for path in source.files(config.split) if path.lower().endswith(".tar")]
    shards: list[Shard] = [TarShard(source.data, path, config, images, labels) for path in files]
    return Stream(source.data, shards, config.limit)


def stream_labels(source: Source, config: ImagesConfig) -> Labels:
    """The labels of all samples of the split as they are stored, for which it is read through.

    Raises ValueError if there are none.
    """

    def values(split: str) -> Iterator[Value]:
        of_split = dataclasses.replace(config, split=split)
        return (sample.label for sample in open_stream(source, of_split, images=False, labels=True).samples())

    names = open_stream(source, config, images=False, labels=True).class_names
    others = [values(split) for split in source.splits() if split != config.split]
    return read_labels(source.data, values(config.split), others, names)


def _open_table_stream(source: Source, config: ImagesConfig, images: bool, labels: bool) -> Stream:
    import datasets

    splits = source.load(streaming=True)
    features = splits[source.check(config.split, splits)].features
    if features is None:
        raise ValueError(
            f"{source.data} does not say which columns it has before it is read; use --images.stream auto"
        )
    image = image_column(source.data, features, config) if images else None
    label = label_column(source.data, features, config) if labels else None
    columns = [name for name in (image, label) if name]
    if source.selects_columns:
        splits = source.load(streaming=True, columns=columns)
    rows = splits[config.split].select_columns(columns)
    if image:
        rows = rows.cast_column(image, datasets.Image(decode=False))
    names = getattr(features[label], "names", None) if label else None
    count = rows.num_shards
    shards: list[Shard] = [
        TableShard(rows.shard(num_shards=count, index=index), index, image, label) for index in range(count)
    ]
    return Stream(source.data, shards, config.limit, names)


@dataclass(frozen=True)
class TableShard:
    """One file of a table, as a `datasets.IterableDataset`, and which of its columns are read."""

    rows: Any
    index: int
    image: str | None
    label: str | None

    def samples(self) -> Iterator[Sample]:
        for row, values in enumerate(self.rows):
            record = values[self.image] if self.image else None
            path = f" ({record['path']})" if record and record["path"] else ""
            label = values[self.label] if self.label else None
            yield Sample(f"image {row} of shard {self.index}{path}", record, label)
