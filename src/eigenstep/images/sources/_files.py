"""Image files of a folder, as they are and in zip archives: listed by their names, read in any order."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import BytesImage, FileImage, MemberImage, Record, images_in
from eigenstep.images.sources._array_labels import LABELS, array_labels
from eigenstep.images.sources._damage import Damage
from eigenstep.images.sources._found import Found, Named
from eigenstep.images.sources._kinds import ARRAY_SUFFIXES, PAGED_SUFFIXES, suffix
from eigenstep.images.sources._layout import Layout, class_folders, layout_of
from eigenstep.images.sources._passed_over import PassedOver, beyond, other_split, shown
from eigenstep.images.sources._samples import Labels, Value, read_labels
from eigenstep.images.sources._source import RandomAccess, Source, check_split
from eigenstep.images.sources._zips import ZipImages, read_zip

# A file by its path within the folder; what is none has a name beside it.
Entry = str | tuple[str, Record]


class ImageFiles(Source):
    """A folder of image files and of zip archives of them, or one such file.

    Splits are folders, see `layout_of`; labels are folders below them, see `class_folders`.
    """

    files = "images or zip archives of them"

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self.found = named.found

    @classmethod
    def matches(cls, named: Named) -> bool:
        return bool(named.found.images or named.found.zips) and not named.found.tars

    def splits(self) -> list[str]:
        return self._layout.splits

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> "FileRows":
        damage = Damage.of(self.data, config)
        for name, fault in self.found.damaged.items():
            damage.tell(name, fault)
        which = self._which(config)
        rows = self._listed.open(self.data, config, which, damage)[0]
        rows.notes = [*self.found.notes, *([self._layout.note] if self._layout.note else [])]
        for split in self.splits():
            if split != config.split:
                rows.passed_over.add(None, other_split(split), len(self._layout.of(split)))
        return rows

    def labels(self, config: ImagesConfig) -> Labels:
        """Of .npz files what stands in them, of others the folders.

        Raises ValueError if not all of the split's images are in folders, of which there are several.
        """
        which = self._which(config)
        in_arrays = {split: self._in_arrays(split, config) for split in self.splits()}
        if (found_in := in_arrays[config.split]) is not None:
            rest = [values or [] for split, values in in_arrays.items() if split != config.split]
            return read_labels(self.data, found_in, rest)
        _, where = self._listed.open(self.data, config, which, Damage(self.data, True))
        found = {split: class_folders(self._rest(split)) for split in self.splits()}
        own = found[config.split]
        where = np.searchsorted(which, where)
        if own is None or len({name for names in found.values() for name in names or ()}) < 2:
            raise ValueError(no_class_folders(self.data))
        others = [names or [] for split, names in found.items() if split != config.split]
        return read_labels(self.data, [own[index] for index in where.tolist()], others)

    @property
    def passed_over(self) -> PassedOver:
        return self._listed.passed_over

    @cached_property
    def _listed(self) -> "FilesOf":
        return FilesOf(self.found, self.found.images, self.found.zips)

    @cached_property
    def _layout(self) -> Layout:
        """Of the files; where there are archives alone, their names count."""
        if not self.found.images and len(set(self._listed.archives)) > 1:
            by_archive = layout_of(self._listed.archives, archives=True)
            if by_archive.places is not None:
                return by_archive._replace(rest=layout_of(self._listed.paths).rest)
        return layout_of(self._listed.paths)

    def _in_arrays(self, split: str, config: ImagesConfig) -> list[Value] | None:
        """What stands beside the arrays of .npz files, if all of the split's files are such."""
        entries = [self._listed.entries[index] for index in self._layout.of(split)]
        if not all(isinstance(entry, str) and entry.lower().endswith(".npz") for entry in entries):
            return None
        parts = [array_labels(self.found.place(str(entry)), config) for entry in entries]
        return None if None in parts else [value for part in parts for value in part or []]

    def _which(self, config: ImagesConfig) -> list[int]:
        return self._layout.of(check_split(self.data, config.split, self.splits()))

    def _rest(self, split: str) -> list[str]:
        return [self._layout.rest[index] for index in self._layout.of(split)]


def no_class_folders(data: str) -> str:
    """What is said where labels are asked for and there are none."""
    if data.lower().endswith(".npz"):
        names = f"{', '.join(LABELS[:-1])} or {LABELS[-1]}"
        return f"{data} has no labels: expected a whole number or a text for each image in an array {names}"
    return f"{data} has no labels: expected each image in the folder of its class, and at least two of these"


class FilesOf:
    """Some of the files that were found, and the images of some of the archives.

    Attributes
    ----------
    entries : list[Entry]
        All, in the order of their paths.
    paths : list[str]
        What they say of splits and classes: archives' own names are no folders.
    passed_over : PassedOver
        What was found and is no image, in these archives too.
    archives : list[str]
        The archive that each is from, nothing for a file.
    """

    def __init__(self, found: Found, images: Sequence[str], zips: Sequence[str]) -> None:
        self.found = found
        self.entries: list[Entry] = list(images)
        self.paths = list(images)
        self.archives = [""] * len(images)
        self.faults: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.passed_over = PassedOver()
        self.passed_over.include(found.passed_over)
        for name in zips:
            self._add(name, read_zip(found.place(name), name))
        if zips and images:
            order = sorted(range(len(self.paths)), key=lambda index: _name(self.entries[index]))
            self.entries = [self.entries[index] for index in order]
            self.paths = [self.paths[index] for index in order]
            self.archives = [self.archives[index] for index in order]

    def open(
        self, data: str, config: ImagesConfig, which: Sequence[int], damage: Damage, *, alone: bool = True
    ) -> tuple["FileRows", np.ndarray]:
        """The first `config.limit` images of some of the entries, and which entry each is of: int64 (n,).

        Parameters
        ----------
        alone : bool
            There are no other images, so that there must be some here.

        Raises
        ------
        ValueError
            If an archive is damaged and that is to be refused, or there are no images where some must be.
        """
        for name, fault in (self.faults | self.told).items():
            damage.tell(name, fault)
        rows, passed = FileRows(data, self.found.root, damage=damage.found), PassedOver()
        passed.include(self.passed_over)
        where, limit = list[int](), config.limit
        for done, index in enumerate(which):
            if limit is not None and len(where) >= limit:
                passed.add(_name(self.entries[index]), beyond(limit), len(which) - done)
                break
            images = self._images(self.entries[index], config)
            if not images:
                passed.add(_name(self.entries[index]), "an array that holds no images")
            if limit is not None and len(where) + len(images) > limit:
                kept = limit - len(where)
                passed.add(_name(self.entries[index]), beyond(limit), len(images) - kept)
                images = images[:kept]
            rows.entries.extend(images)
            where.extend([index] * len(images))
        if alone and not where and not self.faults and limit != 0:
            raise ValueError(f"{data} holds no images: {'; '.join(passed.lines())}")
        if alone and not where and self.faults:
            name, fault = next(iter(self.faults.items()))
            raise ValueError(f"{data}: none of its files can be read, for example {name} ({fault})")
        rows.passed_over = passed
        return rows, np.array(where, dtype=np.int64)

    def _add(self, name: str, found: ZipImages) -> None:
        if found.fault is not None:
            self.faults[name] = found.fault
            self.passed_over.add(name, "a damaged archive")
            return
        if found.told is not None:
            self.told[name] = found.told
        if found.is_foreign:
            self.passed_over.add(name, "an archive without images")
            return
        self.passed_over.include(found.passed_over)
        archive, folder = self.found.place(name), os.path.dirname(name)
        for member, path in zip(found.members, found.paths, strict=True):
            self.entries.append((f"{name}/{path}", MemberImage(archive, member)))
            self.paths.append(f"{folder}/{path}" if folder else path)
            self.archives.append(name)

    def _images(self, entry: Entry, config: ImagesConfig) -> Sequence[Entry]:
        """The images of a file, which mostly is one."""
        end = suffix(_name(entry))
        if end and end not in ARRAY_SUFFIXES and not (config.pages == "images" and end in PAGED_SUFFIXES):
            return [entry]
        record = FileImage(self.found.place(entry)) if isinstance(entry, str) else entry[1]
        return [(name, each) for name, each in expanded(_name(entry), record, config)]


def expanded(name: str, record: Record, config: ImagesConfig) -> list[tuple[str, Record]]:
    """The images of a file that may hold several, with their names."""
    if not isinstance(record, FileImage | MemberImage | BytesImage):
        return [(name, record)]
    try:
        records = images_in(record, config)
    except Exception:  # what is wrong is said where it is decoded
        return [(name, record)]
    if len(records) == 1:
        return [(name, records[0])]
    return [(f"{name}[{index}]", each) for index, each in enumerate(records)]


@dataclass
class FileRows(RandomAccess):
    """Images that are files of a folder, or members of archives in it.

    Attributes
    ----------
    data : str
        As the user named it.
    root : str
        The folder.
    entries : list[Entry]
        The images; of files only the paths, since there may be millions.
    """

    data: str
    root: str
    entries: list[Entry] = field(default_factory=list)
    damage: Sequence[str] = ()
    passed_over: PassedOver = field(default_factory=PassedOver)
    notes: Sequence[str] = ()

    def count(self) -> int:
        return len(self.entries)

    def records(self, rows: list[int]) -> list[Record]:
        return [self._record(self.entries[row]) for row in rows]

    def name(self, row: int, record: Record) -> str:
        """Its path within the folder."""
        return shown(_name(self.entries[row]))

    def _record(self, entry: Entry) -> Record:
        return FileImage(os.path.join(self.root, entry)) if isinstance(entry, str) else entry[1]


def _name(entry: Entry) -> str:
    return entry if isinstance(entry, str) else entry[0]
