"""Folders of tar archives, maybe beside image files and zip archives: read in order, as shards."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import BinaryIO, NamedTuple

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._damage import Damage
from eigenstep.images.sources._files import FileRows, FilesOf
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._layout import ClassFolders, Layout, layout_of
from eigenstep.images.sources._passed_over import PassedOver, other_split
from eigenstep.images.sources._samples import Labels, Sample, Value, read_labels
from eigenstep.images.sources._source import Shard, Shards, Source, check_split
from eigenstep.images.sources._tars import LabelsBy, TarShard

# Files that are read without archives come in shards of so many.
FILES_OF_SHARD = 256


class TarShards(Source):
    """Tar archives, which have no random access, and whatever images lie beside them.

    Splits are told by the archives' names or folders, see `layout_of`. Labels are the files of samples as
    WebDataset writes them or, where there are none, folders, see `class_folders`.
    """

    files = "tar archives of them"

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self.found = named.found
        self._scans: dict[ImagesConfig, _Scan] = {}

    @classmethod
    def matches(cls, named: Named) -> bool:
        return bool(named.found.tars)

    def splits(self) -> list[str]:
        return self._layout.splits

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> Shards:
        return self._open(config, self._labels_by(config) if labels else None)

    def labels(self, config: ImagesConfig) -> Labels:
        """All archives of the split are read through; of the others those that may name other classes."""
        by = self._labels_by(config)

        def values(split: str) -> Iterator[Value]:
            scan = self._scan(dataclasses.replace(config, split=split))
            if isinstance(by, ClassFolders):
                return (by.of(path) for path in scan.paths)
            return iter(scan.values)

        others = [values(split) for split in self.splits() if split != config.split]
        return read_labels(self.data, values(config.split), others)

    def count(self, config: ImagesConfig) -> int:
        return self._open(config, None, with_images=False).count()

    @property
    def passed_over(self) -> PassedOver:
        return self.found.passed_over

    @cached_property
    def _layout(self) -> Layout:
        found = self.found
        return layout_of([*found.images, *found.zips, *found.tars], archives=not found.images)

    def _open(self, config: ImagesConfig, labels: LabelsBy, *, with_images: bool = True) -> Shards:
        """The split's shards. Only what is asked for is read of archives, images or labels or both."""
        damage = Damage.of(self.data, config)
        for name, fault in self.found.damaged.items():
            damage.tell(name, fault)
        where = self._layout.of(check_split(self.data, config.split, self.splits()))
        units = [*self.found.images, *self.found.zips, *self.found.tars]
        rest = {units[index]: self._layout.rest[index] for index in where}
        images, zips, tars = (
            [name for name in names if name in rest]
            for names in (self.found.images, self.found.zips, self.found.tars)
        )
        files = FilesOf(self.found, images, zips)
        shards: list[Shard] = []
        listed = PassedOver()
        unlimited = dataclasses.replace(config, limit=None)
        rows, of = files.open(self.data, unlimited, range(len(files.entries)), damage, alone=False)
        listed.include(rows.passed_over)
        paths = [_inner(files.paths[index], files.archives[index], rest) for index in of.tolist()]
        for start in range(0, len(paths), FILES_OF_SHARD):
            stop = min(start + FILES_OF_SHARD, len(paths))
            shards.append(RowsShard(rows, start, paths[start:stop], labels))
        for name in tars:
            opener, folder = partial(_open, self.found.place(name)), os.path.dirname(rest[name])
            shards.append(TarShard(self.data, name, opener, config, with_images, labels, damage, folder))
        for split in self.splits():
            if split != config.split:
                listed.add(None, other_split(split), len(self._layout.of(split)))
        notes = [*self.found.notes, *([self._layout.note] if self._layout.note else [])]
        return Shards(self.data, shards, config.limit, damage=damage.found, listed=listed, notes=notes)

    def _labels_by(self, config: ImagesConfig) -> LabelsBy:
        """What the labels are, for which the archives are read through."""
        scan = self._scan(config)
        if any(value is not None for value in scan.values) or config.label:
            return "files"
        splits = [self._scan(dataclasses.replace(config, split=split)) for split in self.splits()]
        return ClassFolders.find([path for scan in splits for path in dict.fromkeys(scan.paths)]) or "files"

    def _scan(self, config: ImagesConfig) -> "_Scan":
        """Every image of a split: the label that files say, and where it lies."""
        config = dataclasses.replace(config, limit=None, broken="pass")
        if config not in self._scans:
            scan = _Scan([], [])
            folders: dict[str, str] = {}
            for shard in self._open(config, "files", with_images=False).shards:
                if isinstance(shard, TarShard):
                    found = ((each.value, each.path) for each in shard.read())
                else:
                    assert isinstance(shard, RowsShard)
                    found = ((None, path) for path in shard.paths)
                for value, path in found:
                    folder = os.path.dirname(path)
                    scan.values.append(value)
                    scan.paths.append(folders.setdefault(folder, f"{folder}/-" if folder else "-"))
            self._scans[config] = scan
        return self._scans[config]


class _Scan(NamedTuple):
    values: list[Value]
    paths: list[str]


@dataclass(frozen=True)
class RowsShard:
    """Files that follow each other among rows that could be read in any order.

    Attributes
    ----------
    rows : FileRows
        All of them.
    start : int
        The first of this shard.
    paths : Sequence[str]
        What each says of its class.
    labels : LabelsBy
        What a label is; files beside them say none.
    """

    rows: FileRows
    start: int
    paths: Sequence[str]
    labels: LabelsBy
    passed_over: PassedOver = field(default_factory=PassedOver)

    @property
    def name(self) -> str:
        return f"{self.rows.name(self.start, None)} and what follows"

    def samples(self) -> Iterator[Sample]:
        for row, path in enumerate(self.paths, self.start):
            label = self.labels.of(path) if isinstance(self.labels, ClassFolders) else None
            yield self.rows.sample(row)._replace(label=label)


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _inner(path: str, archive: str, rest: dict[str, str]) -> str:
    """The path without what all files have in common, and without their splits' folders."""
    if not archive:
        return rest[path]
    folder = os.path.dirname(archive)
    path = path[len(folder) + 1 :] if folder else path
    return os.path.join(os.path.dirname(rest[archive]), path)
