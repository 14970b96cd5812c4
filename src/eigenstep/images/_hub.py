"""Data sets by their names on the Hugging Face hub: downloaded as a table, or streamed in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eigenstep.images._config import ImagesConfig
from eigenstep.images._damage import Damage, is_of_content
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
        count, files, damage = rows.num_shards, self.row_files(config), Damage.of(self.data, config)
        shards: list[Shard] = [
            TableShard(rows.shard(num_shards=count, index=index), index, image, label, files, damage)
            for index in range(count)
        ]
        return Shards(self.data, shards, config.limit, names, damage.found)

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
    damage: Damage

    def samples(self) -> Iterator[Sample]:
        """Raises ValueError if a row names a file of this machine, or the shard is damaged."""
        row = 0
        rows = iter(self.rows)
        while (values := self._next(rows, row)) is not None:
            record = values[self.image] if self.image else None
            path = f" ({record['path']})" if record and record["path"] else ""
            label = values[self.label] if self.label else None
            name = f"image {row} of shard {self.index}"
            yield Sample(name + path, self.files.checked(record, name), label)
            row += 1

    def _next(self, rows: Iterator[dict[str, Any]], row: int) -> dict[str, Any] | None:
        import pyarrow

        try:
            return next(rows, None)
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and not is_of_content(error):
                raise
            what = " ".join(str(error).split())
            self.damage.tell(f"shard {self.index}", f"it cannot be read from row {row:,} on: {what}")
            return None
