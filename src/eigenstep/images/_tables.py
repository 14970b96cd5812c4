"""Folders of images and of Parquet files: rows of a memory-mapped table, read when they are needed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenstep.images._config import ImagesConfig
from eigenstep.images._library import LibrarySource, image_extensions
from eigenstep.images._samples import Labels, Record, Sample, read_labels
from eigenstep.images._source import Named, RandomAccess, Shards


class TableSource(LibrarySource):
    """What the library gives as a table with a column of images and, maybe, one of labels."""

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> RandomAccess | Shards:
        import datasets

        splits = self.load(**self._image_options(config))
        rows = splits[self.check(config.split, splits)]
        name = image_column(self.data, rows.features, config)
        rows = rows.select_columns([name]).cast_column(name, datasets.Image(decode=False))
        if config.limit is not None:
            rows = rows.select(range(min(config.limit, len(rows))))
        return TableRows(self.data, rows, name)

    def labels(self, config: ImagesConfig) -> Labels:
        splits = self.load(**self._label_options(config))
        rows = splits[self.check(config.split, splits)]
        name = label_column(self.data, rows.features, config)
        names = getattr(rows.features[name], "names", None)
        others = [other[name] for split, other in splits.items() if split != config.split]
        return read_labels(self.data, rows[name], others, names)

    def _image_options(self, config: ImagesConfig) -> dict[str, Any]:
        """What keeps the library from reading more than the images."""
        return {}

    def _label_options(self, config: ImagesConfig) -> dict[str, Any]:
        """What keeps the library from reading more than the labels."""
        return {}


class ImageFolder(TableSource):
    """A folder of image files, in folders named after splits and classes if it has any."""

    files = "images"
    module = "imagefolder"

    @classmethod
    def matches(cls, named: Named) -> bool:
        """Where there are Parquet files too, the images are taken to belong to them."""
        if not named.suffixes or ".parquet" in named.suffixes:
            return False
        return not named.suffixes.isdisjoint(image_extensions())

    def _image_options(self, config: ImagesConfig) -> dict[str, Any]:
        return {"drop_labels": True}


class Tables(TableSource):
    """A folder of Parquet files, or of whatever else the library can make a table of."""

    files = "Parquet files"

    @classmethod
    def matches(cls, named: Named) -> bool:
        """Tar shards are left to their own source if there are no Parquet files."""
        return bool(named.files) and (".parquet" in named.suffixes or ".tar" not in named.suffixes)

    def _image_options(self, config: ImagesConfig) -> dict[str, Any]:
        return self._only(image_column, config)

    def _label_options(self, config: ImagesConfig) -> dict[str, Any]:
        return self._only(label_column, config)

    def _only(self, column: "FindColumn", config: ImagesConfig) -> dict[str, Any]:
        if not self.selects_columns:
            return {}
        described = self.load(streaming=True)
        features = described[self.check(config.split, described)].features
        return {"columns": [column(self.data, features, config)]}


@dataclass(frozen=True)
class TableRows(RandomAccess):
    """The encoded images of a split; no other column is read.

    Attributes
    ----------
    data : str
        As the user named it.
    rows : Any
        a `datasets.Dataset` of one column.
    column : str
        Its name.
    """

    data: str
    rows: Any
    column: str

    def count(self) -> int:
        return len(self.rows)

    def samples(self) -> Iterator[Sample]:
        for row, values in enumerate(self.rows):
            record = values[self.column]
            yield Sample(self.name(row, record), record, None)

    def records(self, rows: list[int]) -> list[Record]:
        records: list[Record] = self.rows[rows][self.column]
        return records

    def name(self, row: int, record: Record) -> str:
        """A file's path within the folder, or the image's place in the table."""
        if not isinstance(record, dict):
            return f"image {row}"
        path = record["path"]
        within = ".."
        if path and record["bytes"] is None:
            within = os.path.relpath(path, Path(self.data).expanduser())
        return f"image {row}" + (f" ({path})" if path else "") if within.startswith("..") else within


FindColumn = Callable[[str, Any, ImagesConfig], str]


def image_column(data: str, features: Any, config: ImagesConfig) -> str:
    """The column that `config.column` names, or the only one of images; raises ValueError otherwise."""
    columns = [name for name, kind in features.items() if _holds_images(kind)]
    name = config.column or (columns[0] if len(columns) == 1 else None)
    if not columns:
        raise ValueError(f"{data} has no column of images; its columns are {', '.join(features)}")
    if name is None or name not in columns:
        raise ValueError(
            f"{data}: expected --images.column to name one of its image columns ({', '.join(columns)}),"
            f" got {config.column}"
        )
    return str(name)


def label_column(data: str, features: Any, config: ImagesConfig) -> str:
    """The column that `config.label` names, or the only one of classes, or the only one of integers or text.

    Raises
    ------
    ValueError
        Naming the columns that could be meant, otherwise.
    """
    import datasets

    classes: list[str] = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain: list[str] = [name for name, kind in features.items() if _is_plain(kind)]
    if config.label is None:
        for columns in (classes, plain):
            if len(columns) == 1:
                return columns[0]
            if columns:
                break
    elif config.label in classes + plain:
        return config.label
    if not classes + plain:
        raise ValueError(f"{data} has no column of labels; its columns are {', '.join(features)}")
    raise ValueError(
        f"{data}: expected --images.label to name one of its columns of labels"
        f" ({', '.join(classes + plain)}), got {config.label}"
    )


def _holds_images(kind: Any) -> bool:
    """Images, also where a Parquet file was written again without the data set's own description."""
    import datasets

    return isinstance(kind, datasets.Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})


def _is_plain(kind: Any) -> bool:
    dtype = getattr(kind, "dtype", "")
    return "int" in dtype or dtype in ("string", "large_string") if type(kind).__name__ == "Value" else False
