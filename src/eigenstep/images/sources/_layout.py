"""What paths say of splits and of classes: folders, and the beginnings of files' names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLITS = {word: split for split, words in _WORDS.items() for word in words}
_BEGINS = re.compile(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})(?=[-_.]|$)", re.IGNORECASE)
# How the hub's files are called, whatever the split.
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(-[0-9a-f]+)?", re.IGNORECASE)
_WRITTEN = re.compile(r"[a-z]+(-\d+-of-\d+|-\d+)?", re.IGNORECASE)

TRAIN = "train"


class Layout(NamedTuple):
    """How files are laid out.

    Attributes
    ----------
    splits : list[str]
        Their names: train, validation, test as far as they are there, then others; train alone where there
        are none.
    places : list[str] | None
        The split of each path; None where there are no splits.
    rest : list[str]
        The paths without folders that all of them are in, and without those of splits.
    note : str | None
        What is to be said of it.
    """

    splits: list[str]
    places: list[str] | None
    rest: list[str]
    note: str | None

    def of(self, split: str) -> list[int]:
        """Which of the paths are in a split."""
        if self.places is None:
            return list(range(len(self.rest))) if split == TRAIN else []
        return [index for index, place in enumerate(self.places) if place == split]


def layout_of(paths: Sequence[str], archives: bool = False) -> Layout:
    """Whether files are laid out as splits and nothing else.

    They are if all lie in folders named after splits, one of which is train; and, of archives and tables, if
    all of their names begin with a split's, as `train.tar`, or are those of the hub's shards, of splits that
    may have other names beside, as `unlabeled-00000-of-00005.parquet`. Folders that all of them are in mean
    nothing.

    Parameters
    ----------
    paths : Sequence[str]
        Relative, with slashes.
    archives : bool
        They are archives or tables, whose names count.

    Examples
    --------
    >>> layout_of(["train/cat/1.png", "val/cat/2.png"]).places
    ['train', 'validation']
    >>> layout_of(["bus/1.png", "train/2.png"]).places
    >>> layout_of(["train-0.tar", "test-0.tar"], archives=True).splits
    ['train', 'test']
    >>> layout_of([f"{name}-00000-of-00001.parquet" for name in ("train", "extra")], archives=True).splits
    ['train', 'extra']
    """
    rest = without_common(paths)
    places = _by_folders(rest)
    if places:
        below = [path.partition("/")[2] for path in rest]
        return _laid_out(places, below, "folders")
    names = [path.rpartition("/")[2] for path in paths]
    if archives and names and (by_names := _by_names(names)):
        return _laid_out(by_names, rest, "names")
    return Layout([TRAIN], None, rest, None)


def without_common(paths: Sequence[str]) -> list[str]:
    """The paths without the folders that all of them are in."""
    if not paths:
        return []
    first, last = min(paths), max(paths)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    start = first.rfind("/", 0, same) + 1
    return [path[start:] for path in paths] if start else list(paths)


def absent_shards(paths: Sequence[str]) -> list[str]:
    """Shards that the numbers of others tell of: of `train-00000-of-00002.tar` the second.

    Examples
    --------
    >>> absent_shards(["a/train-00001-of-00002.parquet", "test-00000-of-00001.parquet"])
    ['a/train-00000-of-00002.parquet']
    """
    numbers: dict[tuple[str, str, str], set[int]] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        stem, dot, ending = name.partition(".")
        if shard := _SHARD.fullmatch(stem):
            family = (f"{folder}{slash}{shard[1]}", shard[3], dot + ending)
            numbers.setdefault(family, set()).add(int(shard[2]))
    return [
        f"{start}-{number:05d}-of-{total}{ending}"
        for (start, total, ending), known in sorted(numbers.items())
        for number in range(int(total))
        if number not in known
    ]


def class_folders(rest: Sequence[str]) -> list[str] | None:
    """The first folder of each path, if all of them are in one.

    Examples
    --------
    >>> class_folders(["cat/1.png", "dog/old/2.png"]), class_folders(["cat/1.png", "2.png"])
    (['cat', 'dog'], None)
    """
    heads = [path.partition("/") for path in rest]
    return [head for head, _, _ in heads] if all(slash for _, slash, _ in heads) else None


class ClassFolders(NamedTuple):
    """Where in a path the folder of its class stands.

    Attributes
    ----------
    start : int
        Behind how many characters.
    in_splits : bool
        There is a folder of a split first.
    """

    start: int
    in_splits: bool

    @classmethod
    def find(cls, paths: Sequence[str]) -> "ClassFolders | None":
        """By all the paths there are; None if not all are in class folders, of which there are several."""
        if not paths:
            return None
        layout = layout_of(paths)
        start = len(paths[0]) - len(without_common(paths)[0])
        names = class_folders(layout.rest)
        return cls(start, layout.places is not None) if names and len(set(names)) > 1 else None

    def of(self, path: str) -> str:
        """The name of the path's class."""
        rest = path[self.start :]
        return rest.split("/", 2)[1 if self.in_splits else 0]


def _by_folders(rest: Sequence[str]) -> list[str] | None:
    known: dict[str, str | None] = {}
    places: list[str] = []
    for path in rest:
        head, slash, _ = path.partition("/")
        if head not in known:
            known[head] = _SPLITS.get(head.lower())
        split = known[head]
        if not slash or split is None:
            return None
        places.append(split)
    return places if TRAIN in known.values() else None


def _by_names(names: Sequence[str]) -> list[str] | None:
    shards = [_SHARD.fullmatch(name.partition(".")[0]) for name in names]
    if all(shards):
        of_shards = [_SPLITS.get(shard[1].lower(), shard[1]) for shard in shards if shard]
        if not _WORDS.keys().isdisjoint(of_shards):
            return of_shards
    found = [_BEGINS.match(name) for name in names]
    if not all(found):
        return None
    places = [_SPLITS[match[1].lower()] for match in found if match]
    # test-tube.tar alone is no test split, test-00000-of-00001.parquet is.
    written = all(_WRITTEN.fullmatch(name.partition(".")[0]) for name in names)
    return places if written or TRAIN in places else None


def _laid_out(places: list[str], rest: list[str], what: str) -> Layout:
    splits = [split for split in _WORDS if split in places] + sorted(set(places) - set(_WORDS))
    if splits == [TRAIN]:  # nothing is left out
        return Layout(splits, places, rest, None)
    note = (
        f"its {what} are those of splits, and of nothing else: {', '.join(splits)};"
        " --images.split says which is used"
    )
    return Layout(splits, places, rest, note)
