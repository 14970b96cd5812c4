"""Folders of images and of Parquet files: rows of a memory-mapped table, read when they are needed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenstep.images._checked_files import CheckedFiles, FindColumn
from eigenstep.images._config import ImagesConfig
from eigenstep.images._damage import Damage
from eigenstep.images._library import LibrarySource, image_extensions
from eigenstep.images._row_files import RowFiles
from eigenstep.images._samples import Labels, Record, Sample, read_labels
from eigenstep.images._source import Named, RandomAccess, Shards
from eigenstep.images._table_files import SUFFIXES
from eigenstep.images._zips import may_hold, split_member


class TableSource(LibrarySource):
    """What the library gives as a table with a column of images and, maybe, one of labels."""

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> RandomAccess | Shards:
        import datasets

        damage = Damage.of(self.data, config)
        splits = self._read(config, image_column, damage)
        rows = splits[self.check(config.split, splits)]
        name = image_column(self.data, rows.features, config)
        rows = rows.select_columns([name]).cast_column(name, datasets.Image(decode=False))
        if config.limit is not None:
            rows = rows.select(range(min(config.limit, len(rows))))
        return TableRows(self.data, rows, name, self.row_files(config), damage.found)

    def labels(self, config: ImagesConfig) -> Labels:
        splits = self._read(config, label_column, Damage.of(self.data, config))
        rows = splits[self.check(config.split, splits)]
        name = label_column(self.data, rows.features, config)
        names = getattr(rows.features[name], "names", None)
        others = [other[name] for split, other in splits.items() if split != config.split]
        return read_labels(self.data, rows[name], others, names)

    def row_files(self, config: ImagesConfig) -> RowFiles:
        """Which files its rows may name."""
        place = None if self.is_remote else os.path.realpath(self.place)  # as the library lists it
        named = os.path.expanduser(config.root) if config.root and not self.lists_files else None
        return RowFiles(self.data, named or place, self.lists_files)

    @property
    def lists_files(self) -> bool:
        """Whether the rows are files of a folder, and not those of a table."""
        return hasattr(self.builder.config, "drop_labels")

    def _options(self, config: ImagesConfig, find: FindColumn) -> dict[str, Any]:
        """What keeps the library from reading more than the column that `find` finds."""
        return {}

    def _read(self, config: ImagesConfig, find: FindColumn, damage: Damage) -> Any:
        """All splits with the column; files that are damaged are read as far as they go, or refused.

        The library reads everything, and where it fails does not say in which file.
        """
        files = CheckedFiles(self.data, self._checkable(), tuple(image_extensions()), config, find)
        if not files.faults:
            try:
                return self.load(**self._options(config, find))
            except ValueError:
                if not files.search():
                    raise
        files.tell(damage)
        if not self.lists_files:
            return files.tables(self.quiet)
        kept = files.without_faults(self.builder.config.data_files)
        return self.load(data_files=kept, **self._options(config, find))

    def _checkable(self) -> dict[str, list[str]]:
        """Files whose damage can be told, on this machine, by split."""
        if self.is_remote:
            return {}
        return {
            str(split): [str(path) for path in paths if str(path).lower().endswith((*SUFFIXES, ".zip"))]
            for split, paths in (self.builder.config.data_files or {}).items()
        }


class ImageFolder(TableSource):
    """A folder of image files or zip archives of them, in folders named after splits and classes if any."""

    files = "images"
    module = "imagefolder"

    @classmethod
    def matches(cls, named: Named) -> bool:
        """Where there are Parquet files too, the images are taken to belong to them."""
        if not named.suffixes or ".parquet" in named.suffixes:
            return False
        extensions = tuple(image_extensions())
        if not named.suffixes.isdisjoint(extensions):
            return True
        return named.suffixes == {".zip"} and any(
            may_hold(str(path), extensions) for path in named.path.rglob("*") if path.is_file()
        )

    def _options(self, config: ImagesConfig, find: FindColumn) -> dict[str, Any]:
        return {"drop_labels": True} if find is image_column else {}

    @property
    def lists_files(self) -> bool:
        return True

    def _checkable(self) -> dict[str, list[str]]:
        """Asking the library takes long for large folders, most of which hold no archives."""
        return super()._checkable() if ".zip" in Named(self.place).suffixes else {}


class Tables(TableSource):
    """A folder of Parquet files, or of whatever else the library can make a table of."""

    files = "Parquet files"

    @classmethod
    def matches(cls, named: Named) -> bool:
        """Tar shards are left to their own source if there are no Parquet files."""
        return bool(named.files) and (".parquet" in named.suffixes or ".tar" not in named.suffixes)

    def _options(self, config: ImagesConfig, find: FindColumn) -> dict[str, Any]:
        if not self.selects_columns:
            return {}
        described = self.load(streaming=True)
        features = described[self.check(config.split, described)].features
        return {"columns": [find(self.data, features, config)]}


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
    files : RowFiles
        What rows without an image may name.
    """

    data: str
    rows: Any
    column: str
    files: RowFiles
    damage: Sequence[str] = ()

    def count(self) -> int:
        return len(self.rows)

    def samples(self) -> Iterator[Sample]:
        for row, values in enumerate(self.rows):
            record = self.files.checked(values[self.column], f"image {row}")
            yield Sample(self.name(row, record), record, None)

    def records(self, rows: list[int]) -> list[Record]:
        records = self.rows[rows][self.column]
        return [self.files.checked(record, f"image {row}") for row, record in zip(rows, records, strict=True)]

    def name(self, row: int, record: Record) -> str:
        """A file's path within the folder, or the image's place in the table."""
        if not isinstance(record, dict) or not record["path"]:
            return f"image {row}"
        path = record["path"]
        if record["bytes"] is None:
            path = os.path.relpath("/".join(split_member(path) or (path,)), Path(self.data).expanduser())
            if self.files.are_listed and not path.startswith(".."):
                return path
        return f"image {row} ({path})"


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
