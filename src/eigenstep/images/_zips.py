"""Zip archives of images: whether one is whole, and a member's content."""

import os
import zipfile
from collections import Counter
from functools import lru_cache

# Where an archive says how many members it has: in its last record, before a comment of at most 64 KiB.
_LAST_RECORD, _LONGEST = b"PK\x05\x06", 22 + 0xFFFF
_TOO_MANY = 0xFFFF

# What the zipfile module raises for archives that are damaged.
_UNREADABLE = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError)


def split_member(path: str) -> tuple[str, str] | None:
    """The archive and the member of `zip://MEMBER::ARCHIVE`; None for other paths.

    Examples
    --------
    >>> split_member("zip://cat/1.png::data/images.zip")
    ('data/images.zip', 'cat/1.png')
    """
    if not path.startswith("zip://") or "::" not in path:
        return None
    member, _, archive = path.removeprefix("zip://").rpartition("::")
    return archive, member


def read_member(archive: str, member: str) -> bytes:
    """Raises zipfile.BadZipFile if the content does not match its checksum."""
    state = os.stat(archive)
    return _opened(archive, state.st_mtime_ns, state.st_size, os.getpid()).read(member)


def zip_fault(path: str, listed: tuple[str, ...]) -> str | None:
    """What is wrong with the archive's directory, or None; members' contents are not read.

    Parameters
    ----------
    listed : tuple[str, ...]
        Endings of the members that are used. Of the others' names it is made sure that they are no damaged
        ones of those: a member has its name in two places.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                return f"it holds {name} {times} times"
            said = _said_count(path)
            if said not in (len(names), None):
                return f"it says that it has {said:,} members and lists {len(names):,}"
            for member in members:
                name = member.filename.rpartition("/")[2]
                if name.startswith((".", "__")) or not name.lower().endswith(listed):
                    archive.open(member).close()
    except _UNREADABLE as error:
        return str(error) or type(error).__name__
    return None


def may_hold(path: str, listed: tuple[str, ...]) -> bool:
    """Whether the archive has members with one of these endings, or is too damaged to tell."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(listed) for name in archive.namelist())
    except _UNREADABLE:
        return True


@lru_cache(maxsize=16)
def _opened(path: str, modified: int, size: int, process: int) -> zipfile.ZipFile:
    """Processes that were forked from each other would share a file's position."""
    return zipfile.ZipFile(path)


def _said_count(path: str) -> int | None:
    """None where there are more members than the record has room for."""
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - _LONGEST, 0))
        end = file.read()
    place = end.rfind(_LAST_RECORD) + 10
    count = int.from_bytes(end[place : place + 2], "little")
    return None if count == _TOO_MANY else count
