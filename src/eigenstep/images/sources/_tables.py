"""Tables of images, as files lie there: rows of memory-mapped Parquet and Arrow files, and lists of paths."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._column_values import is_whole, label_values
from eigenstep.images.sources._columns import (
    Column,
    columns_of,
    holds_images,
    image_column,
    is_text,
    label_column,
)
from eigenstep.images.sources._damage import Damage
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._layout import Layout, layout_of
from eigenstep.images.sources._lists import ListFile
from eigenstep.images.sources._passed_over import PassedOver, beyond, other_split, shown
from eigenstep.images.sources._row_files import RowFiles
from eigenstep.images.sources._samples import Labels, Value, read_labels
from eigenstep.images.sources._source import Source, check_split
from eigenstep.images.sources._table_files import TableFile
from eigenstep.images.sources._table_rows import TableRows, column_of, slow_groups


class Tables(Source):
    """A folder of Parquet or Arrow files, or one such file, or a list of paths.

    Splits are told by the files' names or folders, see `layout_of`, and by `save_to_disk`'s.
    """

    files = "Parquet or Arrow files"

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self.found = named.found

    @classmethod
    def matches(cls, named: Named) -> bool:
        return bool(named.found.tables or named.found.lists)

    def splits(self) -> list[str]:
        return self._layout.splits

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> "TableRows":
        damage, passed = Damage.of(self.data, config), PassedOver()
        passed.include(self.found.passed_over)
        column, files = self._read(config, damage, passed)
        for file in files if damage.is_passed else ():
            if fault := file.damage(column):
                damage.tell(self._name(file), fault)
        total = sum(rows for file in files for rows in file.groups)
        if config.limit is not None and total > config.limit:
            passed.add(None, beyond(config.limit), total - config.limit)
        self._count_others(config, passed)
        passed.extend(self._not_named(column), "an image file that no row of the tables names")
        root = os.path.expanduser(config.root) if config.root else None
        rows = RowFiles(self.data, os.path.realpath(root or self.found.root))
        count = total if config.limit is None else min(total, config.limit)
        notes = [*self.found.notes, *([self._layout.note] if self._layout.note else []), *slow_groups(files)]
        return TableRows(self.data, self.found.root, files, column, rows, count, damage.found, passed, notes)

    def labels(self, config: ImagesConfig) -> Labels:
        damage = Damage.of(self.data, config)
        images, files = self._read(config, damage, PassedOver())

        def whole(column: Column) -> bool:
            parts = [values for _, values in _contents(files, column) if values is not None]
            return bool(parts) and all(map(is_whole, parts))

        column = label_column(self.data, files[0].schema, config, whole, images)
        others = (
            self._values(replace(config, split=split), column, Damage(self.data, True))
            for split in self.splits()
            if split != config.split
        )
        return read_labels(self.data, self._values(config, column, damage), list(others), column.names)

    @property
    def passed_over(self) -> PassedOver:
        return self.found.passed_over

    @cached_property
    def _layout(self) -> Layout:
        names = self.found.tables
        if not self.found.splits:
            return layout_of(names or self.found.lists, archives=bool(names))
        places = [name.partition("/")[0] for name in names]
        splits = [split for split in self.found.splits if split in places]
        note = f"it was saved with the splits {', '.join(splits)}; --images.split says which is used"
        return Layout(splits, places, names, note)

    def _read(
        self, config: ImagesConfig, damage: Damage, passed: PassedOver
    ) -> tuple[Column, list[TableFile | ListFile]]:
        """The column of images, and the files of the split that have it.

        Raises
        ------
        ValueError
            If a file is damaged and that is to be refused, or no file has images.
        """
        files, faults = list[TableFile | ListFile](), dict[str, str]()
        for name in self._names(check_split(self.data, config.split, self.splits())):
            try:
                file = self._file(name, config, damage.is_passed)
                if file.groups is not None:
                    files.append(file)
            except ValueError as error:
                faults[name] = str(error)
                damage.tell(shown(name), str(error))
                passed.add(name, "a damaged table")
        if not files:
            name, fault = next(iter(faults.items()))
            raise ValueError(f"{self.data}: none of its files can be read, for example {name} ({fault})")
        first = next((file for file in files if holds_images(file)), files[0])
        column = image_column(self.data, first, config)
        for file in files:
            if column.path not in [each.path for each in columns_of(file.schema)]:
                passed.add(self._name(file), f"a table without the column {column.name}")
        return column, [file for file in files if column_of(file, column) is not None]

    def _file(self, name: str, config: ImagesConfig, goes_on: bool = True) -> TableFile | ListFile:
        place = self.found.place(name)
        return TableFile(place, goes_on) if self.found.tables else ListFile(place, config.column)

    def _names(self, split: str) -> list[str]:
        names = self.found.tables or self.found.lists
        return [names[index] for index in self._layout.of(split)]

    def _name(self, file: TableFile | ListFile) -> str:
        return shown(os.path.relpath(file.path, self.found.root))

    def _values(self, config: ImagesConfig, column: Column, damage: Damage) -> Iterator[Value]:
        """A split's labels, None in rows that cannot be read."""
        for file in self._read(config, damage, PassedOver())[1]:
            own = column_of(file, column)
            if own is None:
                yield from [None] * sum(file.groups)
                continue
            for rows, values in _contents([file], own):
                if values is None and (fault := file.damage(own)):
                    damage.tell(self._name(file), fault)
                yield from [None] * rows if values is None else label_values(self.data, own, values)

    def _count_others(self, config: ImagesConfig, passed: PassedOver) -> None:
        for split in self.splits():
            count = 0
            for name in self._names(split) if split != config.split else ():
                try:
                    count += sum(self._file(name, config).groups)
                except ValueError:  # is told where the split is used
                    continue
            if count:
                passed.add(None, other_split(split), count)

    def _not_named(self, column: Column) -> Iterator[str]:
        """Image files beside the tables that no row of any split names."""
        if not self.found.beside:
            return
        named = set[str]()
        for name in self.found.tables:
            try:
                file = TableFile(self.found.place(name), goes_on=True)
                for path in _paths(file, column):
                    for folder in (os.path.dirname(file.path), self.found.root):
                        named.add(os.path.normpath(os.path.join(folder, path)))
            except ValueError:
                continue
        for name in self.found.beside:
            if os.path.normpath(self.found.place(name)) not in named:
                yield name


def _contents(files: Sequence[TableFile | ListFile], column: Column) -> Iterator[tuple[int, Any]]:
    """A column's rows, a part at a time: how many, and a pyarrow.ChunkedArray or None."""
    for file in files:
        if own := column_of(file, column):
            for group in range(len(file.groups)):
                for rows, table in file.read(group, [own]):
                    yield rows, None if table is None else own.of(table)


def _paths(file: TableFile | ListFile, column: Column) -> Iterator[str]:
    """The names of files in a column of images."""
    import pyarrow

    own = column_of(file, column)
    if own is None:
        return
    if pyarrow.types.is_struct(own.type):
        own = Column((*own.path, "path"), own.type.field("path").type)
    for group in range(len(file.groups)) if is_text(own.type) else ():
        for _, table in file.read(group, [own]):
            yield from filter(None, own.of(table).to_pylist() if table is not None else ())
