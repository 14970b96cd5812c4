"""Images in random access: rows of a memory-mapped table, read when they are needed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenstep.images._columns import image_column, label_column
from eigenstep.images._config import ImagesConfig
from eigenstep.images._labels import Labels, read_labels
from eigenstep.images._open_dataset import Source
from eigenstep.images._records import Record, Sample


@dataclass(frozen=True)
class Table:
    """The encoded images of a split; no other column is read.

    Attributes
    ----------
    data : as the user named it
    rows : a `datasets.Dataset` of one column
    column : its name
    """

    data: str
    rows: Any
    column: str

    def count(self) -> int:
        return len(self.rows)

    def samples(self) -> Iterator[Sample]:
        """All images, in the order in which they are stored."""
        for row, values in enumerate(self.rows):
            record = values[self.column]
            yield Sample(self.name(row, record), record, None)

    def sample(self, row: int) -> Sample:
        record = self.rows[row][self.column]
        return Sample(self.name(row, record), record, None)

    def records(self, rows: list[int]) -> list[Record]:
        return self.rows[rows][self.column]

    def name(self, row: int, record: Record) -> str:
        """A file's path within the folder, or the image's place in the table."""
        if record is None:
            return f"image {row}"
        path = record["path"]
        within = ".."
        if path and record["bytes"] is None:
            within = os.path.relpath(path, Path(self.data).expanduser())
        return f"image {row}" + (f" ({path})" if path else "") if within.startswith("..") else within


def open_table(source: Source, config: ImagesConfig) -> Table:
    """The first `config.limit` images of the split; raises ValueError if it or its column does not exist."""
    import datasets

    options: dict[str, Any] = {}
    if source.kind == "images":
        options = {"drop_labels": True}
    elif source.kind == "tables" and source.selects_columns:
        described = source.load(streaming=True)
        features = described[source.check(config.split, described)].features
        options = {"columns": [image_column(source.data, features, config)]}
    splits = source.load(**options)
    rows = splits[source.check(config.split, splits)]
    name = image_column(source.data, rows.features, config)
    rows = rows.select_columns([name]).cast_column(name, datasets.Image(decode=False))
    if config.limit is not None:
        rows = rows.select(range(min(config.limit, len(rows))))
    return Table(source.data, rows, name)


def table_labels(source: Source, config: ImagesConfig) -> Labels:
    """The labels of all rows of the split, in the order of `open_table`'s; the images are not read.

    Raises ValueError if there is no such column of labels.
    """
    options: dict[str, Any] = {}
    if source.kind == "tables" and source.selects_columns:
        described = source.load(streaming=True)
        features = described[source.check(config.split, described)].features
        options = {"columns": [label_column(source.data, features, config)]}
    splits = source.load(**options)
    rows = splits[source.check(config.split, splits)]
    name = label_column(source.data, rows.features, config)
    names = getattr(rows.features[name], "names", None)
    others = [other[name] for split, other in splits.items() if split != config.split]
    return read_labels(source.data, rows[name], others, names)
