"""What the user named, and which of the files that are found there are the data."""

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from eigenstep.images.sources._columns import holds_images
from eigenstep.images.sources._kinds import (
    ARCHIVE_SUFFIXES,
    HEAD,
    PACKED_SUFFIXES,
    Kind,
    kind_by_name,
    kind_of,
    suffix,
)
from eigenstep.images.sources._layout import absent_shards
from eigenstep.images.sources._passed_over import PassedOver
from eigenstep.images.sources._table_files import TableFile
from eigenstep.images.sources._walk import walk

_DESCRIPTIONS = ("dataset_info.json", "state.json", "dataset_dict.json")


@dataclass(frozen=True)
class Named:
    """What the user named, looked at once for all sources."""

    data: str

    @cached_property
    def path(self) -> Path:
        return Path(self.data).expanduser()

    @cached_property
    def found(self) -> "Found":
        """What there is; empty where there is neither a folder nor a file."""
        return find_files(self.path)


@dataclass
class Found:
    """Files by what they are, as paths relative to a folder, ascending; those that are no data are told.

    Attributes
    ----------
    root : str
        The folder: what was named, or what the named file is in.
    images, zips, tars, tables, lists : list[str]
        What is the data. There are no others beside tables or a list, and one list at most.
    beside : list[str]
        Image files beside tables, whose rows may name them.
    damaged : dict[str, str]
        Tables beside images that cannot be read, with what is wrong: maybe they hold images too.
    splits : list[str]
        Of a saved `DatasetDict`, whose folders are splits whatever their names.
    passed_over : PassedOver
        What is not used.
    absent : list[str]
        What descriptions or names of others tell of, and is not there.
    """

    root: str
    images: list[str] = field(default_factory=list)
    zips: list[str] = field(default_factory=list)
    tars: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    splits: list[str] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)
    absent: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """A line that says what is not there, if anything is."""
        if not self.absent:
            return []
        more = ", ..." if len(self.absent) > 3 else ""
        return [f"of the parts that it tells of these are not there: {', '.join(self.absent[:3])}{more}"]

    def place(self, path: str) -> str:
        return os.path.join(self.root, path)


def find_files(path: Path) -> Found:
    """Which files of a folder, or whether the file that a path leads to, are data, and of what kind."""
    if path.is_file():
        found = Found(str(path.parent))
        names = [path.name]
    elif path.is_dir():
        found = Found(str(path))
        names = walk(found.root, found.passed_over)
    else:
        return Found(str(path))
    kinds = _by_kind(found, names)
    found.images, found.zips, found.tars = kinds["image"], kinds["zip"], kinds["tar"]
    _settle(found, _saved(found, kinds["table"], kinds["list"]), kinds["list"])
    if path.is_dir():
        shards = absent_shards([*found.tables, *found.tars, *found.zips])
        found.absent += [shard for shard in shards if shard not in found.absent]
    return found


def _by_kind(found: Found, names: list[str]) -> dict[Kind, list[str]]:
    kinds: dict[Kind, list[str]] = defaultdict(list)
    for name in names:
        kind = kind_by_name(name)
        if kind != "image":  # of which there are many, and their decoder looks at them anyway
            try:
                with open(found.place(name), "rb") as file:
                    kind = kind_of(name, file.read(HEAD))
            except OSError as error:
                found.passed_over.add(name, f"cannot be read ({error.strerror})")
                continue
        if kind is None:
            found.passed_over.add(name, no_image(name))
        else:
            kinds[kind].append(name)
    return kinds


def no_image(name: str, kind: Kind | None = None) -> str:
    """The reason for which a file of this name, and of this kind by its content, is passed over."""
    if kind in ("zip", "tar") or name.lower().endswith(ARCHIVE_SUFFIXES):
        return "an archive within an archive"
    if suffix(name) in PACKED_SUFFIXES:
        return f"packed in a way that is not read ({suffix(name)})"
    return f"no image ({suffix(name) or 'without a suffix'})"


def _settle(found: Found, tables: list[str], lists: list[str]) -> None:
    """Decide which of the kinds are the data."""
    passed, has_images = found.passed_over, bool(found.images or found.zips or found.tars)
    with_images, damaged, others = list[str](), dict[str, str](), list[str]()
    for name in tables:
        try:
            (with_images if holds_images(TableFile(found.place(name))) else others).append(name)
        except ValueError as error:
            damaged[name] = str(error)
    if with_images or (tables and not has_images):
        found.tables = sorted([*with_images, *damaged, *(others if not with_images else [])])
        passed.extend(others if with_images else [], "a table without a column of images")
        passed.extend([*found.zips, *found.tars], "an archive beside tables of images")
        found.beside, found.images, found.zips, found.tars = found.images, [], [], []
    else:
        found.damaged = damaged
        passed.extend(damaged, "a damaged table")
        passed.extend(others, "a table without a column of images")
    is_data = len(lists) == 1 and not (has_images or found.tables)
    found.lists = lists if is_data else []
    if not is_data:
        passed.extend(lists, "a list, which is read if it is what --data names")


def _saved(found: Found, tables: list[str], lists: list[str]) -> list[str]:
    """The tables, without those in folders that `save_to_disk` wrote that are no part of what it saved."""
    kept, parts = list[str](), dict[str, set[str] | None]()
    for name in tables:
        folder = os.path.dirname(name)
        if folder not in parts:
            parts[folder] = _parts(found.place(folder))
            there = {os.path.basename(each) for each in tables if os.path.dirname(each) == folder}
            absent = sorted((parts[folder] or set()) - there)
            found.absent += [f"{folder}/{part}" if folder else part for part in absent]
        names = parts[folder]
        if names is None or os.path.basename(name) in names:
            kept.append(name)
        else:
            found.passed_over.add(name, "a table that state.json beside it does not name")
    if kept and (content := _json(found.place("dataset_dict.json"))):
        found.splits = [str(split) for split in content.get("splits", [])]
        places = [name.partition("/")[0] for name in kept]
        found.absent += [f"{split}/" for split in found.splits if split not in places]
        others = [name for name, place in zip(kept, places, strict=True) if place not in found.splits]
        found.passed_over.extend(others, "a table in none of the folders that dataset_dict.json names")
        kept = [name for name in kept if name not in others]
    if found.splits or any(names is not None for names in parts.values()):
        described = [name for name in lists if os.path.basename(name) in _DESCRIPTIONS]
        found.passed_over.extend(described, "what describes the tables")
        lists[:] = [name for name in lists if name not in described]
    return kept


def _parts(folder: str) -> set[str] | None:
    """The files that a folder's state.json names, if it has one of `save_to_disk`."""
    content = _json(os.path.join(folder, "state.json"))
    if not content or not isinstance(content.get("_data_files"), list):
        return None
    if content.get("_indices_data_files") or content.get("_indices_files"):
        raise ValueError(
            f"{folder} holds a selection by indices, which is not read; save it again after"
            " Dataset.flatten_indices()"
        )
    return {str(part.get("filename")) for part in content["_data_files"] if isinstance(part, dict)}


def _json(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
