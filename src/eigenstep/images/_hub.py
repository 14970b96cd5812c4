"""Data sets by their names on the Hugging Face hub: downloaded as a table, or streamed in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eigenstep.images._config import ImagesConfig
from eigenstep.images._damage import is_of_content
from eigenstep.images._row_files import RowFiles
from eigenstep.images._samples import Labels, Sample
from eigenstep.images._source import Named, RandomAccess, Shard, Shards, labels_of_shards
from eigenstep.images._tables import TableSource, image_column, label_column
from eigenstep.images._tars import open_tars

PLACES = {"cifar10": "uoft-cs/cifar10"}


class HubDataset(TableSource):
    """`--data OWNER/NAME`; with `ImagesConfig.stream` "always" it is not downloaded, but read in order."""

    names = tuple(PLACES)
    is_remote = True

    def __init__(self, data: str) -> None:
        super().__init__(data)
        self.place = PLACES.get(data, data)

    @classmethod
    def matches(cls, named: Named) -> bool:
        if named.path.exists():
            return False
        data = named.data
        return data in PLACES or (data.count("/") == 1 and not data.startswith((".", "/", "~")))

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> RandomAccess | Shards:
        if config.stream != "always":
            return super().open(config, seed, labels=labels)
        return self._in_order(config, labels=labels)

    def labels(self, config: ImagesConfig) -> Labels:
        if config.stream != "always":
            return super().labels(config)
        return labels_of_shards(
            lambda of_split: self._in_order(of_split, images=False, labels=True), self.splits(), config
        )

    def _in_order(self, config: ImagesConfig, *, images: bool = True, labels: bool = False) -> Shards:
        """The split's shards. Only what is asked for is read of them, images or labels or both."""
        import datasets

        if self.builder.name == "webdataset":
            return open_tars(self, config, images=images, labels=labels)
        splits = self.load(streaming=True)
        features = splits[self.check(config.split, splits)].features
        if features is None:
            raise ValueError(
                f"{self.data} does not say which columns it has before it is read; use --images.stream auto"
            )
        image = image_column(self.data, features, config) if images else None
        label = label_column(self.data, features, config) if labels else None
        columns = [name for name in (image, label) if name]
        if self.selects_columns:
            splits = self.load(streaming=True, columns=columns)
        rows = splits[config.split].select_columns(columns)
        if image:
            rows = rows.cast_column(image, datasets.Image(decode=False))
        names = getattr(features[label], "names", None) if label else None
        count, files = rows.num_shards, self.row_files(config)
        shards: list[Shard] = [
            TableShard(rows.shard(num_shards=count, index=index), index, image, label, files)
            for index in range(count)
        ]
        return Shards(self.data, shards, config.limit, names)

    def _refusal(self) -> str:
        return f"there is no folder {self.data}, and the Hugging Face hub gave no data set {self.place}"


@dataclass(frozen=True)
class TableShard:
    """One file of a table, as a `datasets.IterableDataset`, and which of its columns are read."""

    rows: Any
    index: int
    image: str | None
    label: str | None
    files: RowFiles

    def samples(self) -> Iterator[Sample]:
        """Raises ValueError if a row names a file of this machine, or the shard is damaged."""
        for row, values in enumerate(self._rows()):
            record = values[self.image] if self.image else None
            path = f" ({record['path']})" if record and record["path"] else ""
            label = values[self.label] if self.label else None
            name = f"image {row} of shard {self.index}"
            yield Sample(name + path, self.files.checked(record, name), label)

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
