"""Data sets by their names on the Hugging Face hub: downloaded as a table, or streamed in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import Record
from eigenstep.images.sources._columns import Column, image_column, label_column
from eigenstep.images.sources._damage import Damage, is_of_content
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._kinds import TAR_SUFFIXES
from eigenstep.images.sources._library import Library
from eigenstep.images.sources._passed_over import PassedOver, beyond, shown
from eigenstep.images.sources._row_files import RowFiles
from eigenstep.images.sources._samples import Labels, Sample, read_labels
from eigenstep.images.sources._source import RandomAccess, Shard, Shards, Source, labels_of_shards
from eigenstep.images.sources._tars import LabelsBy, TarShard

PLACES = {"cifar10": "uoft-cs/cifar10"}


def hub_name(data: str) -> str | None:
    """OWNER/NAME on the Hugging Face hub of what `data` names; None where it can name nothing there.

    A file or folder of that name comes first. The hub is not asked.

    Examples
    --------
    >>> hub_name("cifar10"), hub_name("timm/mini-imagenet"), hub_name("photos"), hub_name("./images")
    ('uoft-cs/cifar10', 'timm/mini-imagenet', None, None)
    """
    if Path(data).expanduser().exists():
        return None
    is_named = data.count("/") == 1 and not data.startswith((".", "/", "~"))
    return PLACES.get(data, data if is_named else None)


class HubDataset(Source):
    """`--data OWNER/NAME`; with `ImagesConfig.stream` "always" it is not downloaded, but read in order."""

    names = tuple(PLACES)
    is_remote = True

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self.library = Library(named.data, PLACES.get(named.data, named.data))

    @classmethod
    def matches(cls, named: Named) -> bool:
        return hub_name(named.data) is not None

    def splits(self) -> list[str]:
        return self.library.splits()

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> RandomAccess | Shards:
        if config.stream == "always":
            return self._in_order(config, labels=labels)
        import datasets

        splits = self._downloaded(config, image_column)
        rows = splits[self.library.check(config.split, splits)]
        name = image_column(self.data, _Described(rows.features), config).name
        rows = rows.select_columns([name]).cast_column(name, datasets.Image(decode=False))
        passed, count = PassedOver(), len(rows)
        if config.limit is not None and config.limit < count:
            rows = rows.select(range(config.limit))
            passed.add(None, beyond(config.limit), count - config.limit)
        return HubRows(self.data, rows, name, self._files, passed_over=passed)

    def labels(self, config: ImagesConfig) -> Labels:
        if config.stream == "always":
            return labels_of_shards(
                lambda of_split: self._in_order(of_split, images=False, labels=True), self.splits(), config
            )
        splits = self._downloaded(config, _label_column)
        features = splits[self.library.check(config.split, splits)].features
        column = _label_column(self.data, _Described(features), config)
        others = [other[column.name] for split, other in splits.items() if split != config.split]
        return read_labels(self.data, splits[config.split][column.name], others, column.names)

    def _downloaded(self, config: ImagesConfig, find: Any) -> Any:
        """All splits; where columns can be chosen, with no other than the one that is found."""
        if not self.library.selects_columns:
            return self.library.load()
        described = self.library.load(streaming=True)
        features = described[self.library.check(config.split, described)].features
        return self.library.load(columns=[find(self.data, _Described(features), config).name])

    @property
    def _files(self) -> RowFiles:
        """What rows may name: nothing of this machine but what the library has downloaded as image files."""
        listed = hasattr(self.library.builder.config, "drop_labels")
        return RowFiles(self.data, None, are_downloaded=listed)

    def _in_order(self, config: ImagesConfig, *, images: bool = True, labels: bool = False) -> Shards:
        """The split's shards. Only what is asked for is read of them, images or labels or both."""
        import datasets

        if self.library.builder.name == "webdataset":
            return self._tars(config, images=images, labels=labels)
        splits = self.library.load(streaming=True)
        features = splits[self.library.check(config.split, splits)].features
        if features is None:
            raise ValueError(
                f"{self.data} does not say which columns it has before it is read; use --images.stream auto"
            )
        described = _Described(features)
        image = image_column(self.data, described, config) if images else None
        label = _label_column(self.data, described, config) if labels else None
        columns = [column.name for column in (image, label) if column]
        if self.library.selects_columns:
            splits = self.library.load(streaming=True, columns=columns)
        rows = splits[config.split].select_columns(columns)
        if image:
            rows = rows.cast_column(image.name, datasets.Image(decode=False))
        count, files = rows.num_shards, self._files
        shards: list[Shard] = [
            TableShard(
                rows.shard(num_shards=count, index=index),
                index,
                image.name if image else None,
                label.name if label else None,
                files,
            )
            for index in range(count)
        ]
        return Shards(self.data, shards, config.limit, label.names if label else None)

    def _tars(self, config: ImagesConfig, *, images: bool, labels: bool) -> Shards:
        from datasets.utils.file_utils import xopen

        damage = Damage.of(self.data, config)
        shards: list[Shard] = []
        for path in self.library.paths(config.split):
            if path.lower().endswith(TAR_SUFFIXES):
                opener, name = partial(xopen, path, "rb", block_size=0), PurePosixPath(path).name
                by: LabelsBy = "files" if labels else None
                shards.append(TarShard(self.data, name, opener, config, images, by, damage))
        return Shards(self.data, shards, config.limit, damage=damage.found)


@dataclass(frozen=True)
class _Described:
    """Columns as the library describes them, of which no value has been read."""

    features: Any

    @property
    def schema(self) -> Any:
        return self.features.arrow_schema

    def first(self, column: Column, count: int) -> list[Any]:
        return []


def _label_column(data: str, table: _Described, config: ImagesConfig) -> Column:
    return label_column(data, table.schema, config)


@dataclass(frozen=True)
class HubRows(RandomAccess):
    """The encoded images of a split that has been downloaded; no other column is read.

    Attributes
    ----------
    data : str
        As the user named it.
    rows : Any
        a `datasets.Dataset` of one column.
    column : str
        Its name.
    files : RowFiles
        What rows without an image may name.
    """

    data: str
    rows: Any
    column: str
    files: RowFiles
    damage: Sequence[str] = ()
    passed_over: PassedOver = field(default_factory=PassedOver)
    notes: Sequence[str] = ()

    def count(self) -> int:
        return len(self.rows)

    def samples(self) -> Iterator[Sample]:
        for row, values in enumerate(self.rows):
            record = self.files.record(values[self.column], f"image {row}")
            yield Sample(self.name(row, record), record, None)

    def records(self, rows: list[int]) -> list[Record]:
        records = self.rows[rows][self.column]
        return [self.files.record(value, f"image {row}") for row, value in zip(rows, records, strict=True)]

    def name(self, row: int, record: Record) -> str:
        """The image's place in the table, and the name that it has there, if any."""
        path = None if record is None or isinstance(record, np.ndarray) else record.path
        return f"image {row} ({shown(path)})" if path else f"image {row}"


@dataclass(frozen=True)
class TableShard:
    """One file of a table, as a `datasets.IterableDataset`, and which of its columns are read."""

    rows: Any
    index: int
    image: str | None
    label: str | None
    files: RowFiles
    passed_over: PassedOver = field(default_factory=PassedOver)

    @property
    def name(self) -> str:
        return f"shard {self.index}"

    def samples(self) -> Iterator[Sample]:
        """Raises ValueError if a row names a file of this machine, or the shard is damaged."""
        for row, values in enumerate(self._rows()):
            value = values[self.image] if self.image else None
            path = f" ({value['path']})" if value and value["path"] else ""
            label = values[self.label] if self.label else None
            name = f"image {row} of shard {self.index}"
            yield Sample(name + path, self.files.record(value, name), label)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """How many rows come before damage is not the same every time, so that it cannot be passed over."""
        import pyarrow

        try:
            yield from self.rows
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and not is_of_content(error):
                raise
            what = " ".join(str(error).split())
            raise ValueError(
                f"{self.files.data}: shard {self.index} is damaged ({what}); mend it:"
                " a table that is streamed is not read past damage"
            ) from error
