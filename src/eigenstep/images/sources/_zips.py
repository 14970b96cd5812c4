"""Zip archives of images: whether one is whole, and which of its members are images."""

import os
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass, field

from eigenstep.images.sources._found import no_image
from eigenstep.images.sources._kinds import HEAD, is_hidden, kind_by_name, kind_of, plain_path
from eigenstep.images.sources._passed_over import PassedOver

# Where an archive says how many members it has: in its last record, before a comment of at most 64 KiB.
_LAST_RECORD, _LONGEST = b"PK\x05\x06", 22 + 0xFFFF
_TOO_MANY = 0xFFFF
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_FROM_DOS, _FROM_UNIX, _ENCRYPTED = 0, 3, 1

# What the zipfile module raises for archives that are damaged.
_UNREADABLE = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError)


@dataclass
class ZipImages:
    """The images of an archive.

    Attributes
    ----------
    members : list[str]
        Their names.
    paths : list[str]
        The same as paths with slashes, without a folder that has the archive's own name and holds them all.
    passed_over : PassedOver
        The other files.
    fault : str | None
        What is wrong with the archive's directory; members' contents are not looked at.
    told : str | None
        What is wrong with it, though it can be read.
    is_foreign : bool
        It holds no images and nothing that might be some, as a network's weights: neither archives, nor what
        is hidden or cannot be read.
    """

    members: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)
    fault: str | None = None
    told: str | None = None
    is_foreign: bool = True


def read_zip(path: str, shown: str) -> ZipImages:
    """Which members of an archive are images.

    Parameters
    ----------
    shown : str
        What the archive is called where members are passed over.
    """
    found = ZipImages()
    try:
        with zipfile.ZipFile(path) as archive:
            _read_directory(path, archive, shown, found)
    except _UNREADABLE as error:
        found.fault = str(error) or type(error).__name__
    if found.fault:
        return ZipImages(fault=found.fault)
    own = os.path.splitext(os.path.basename(path))[0] + "/"
    if all(name.startswith(own) for name in found.paths):
        found.paths = [name.removeprefix(own) for name in found.paths]
    return found


def _read_directory(path: str, archive: zipfile.ZipFile, shown: str, found: ZipImages) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    said = _said_count(path)
    if times > 1:
        found.told = f"it holds {name} {times} times"
    if said not in (len(names), None):
        found.fault = f"it says that it has {said:,} members and lists {len(names):,}"
    latest = {member.filename: member for member in members}
    for member in members:
        name = member.filename
        parts = name.replace("\\", "/") if member.create_system == _FROM_DOS else name
        if member.is_dir() or parts.endswith("/"):
            continue
        parts = plain_path(parts)
        reason = _not_read(member) if latest[name] is member else "written again later in its archive"
        kind = kind_by_name(parts)
        hidden = any(map(is_hidden, parts.split("/")))
        if not reason and (hidden or kind != "image"):
            # A member has its name in two places: opening it makes sure that neither is a damaged one.
            with archive.open(member) as file:
                kind = kind_of(parts, file.read(HEAD)) if not hidden else kind
        if kind == "image" and not reason and not hidden:
            found.members.append(name)
            found.paths.append(parts)
            found.is_foreign = False
        else:
            found.is_foreign &= reason is None and kind not in ("image", "zip", "tar")
            why = "hidden" if hidden else reason or no_image(parts, kind)
            found.passed_over.add(f"{shown}/{parts}", why)


def _not_read(member: zipfile.ZipInfo) -> str | None:
    """Why a member cannot be read, if it cannot be."""
    if member.create_system == _FROM_UNIX and stat.S_ISLNK(member.external_attr >> 16):
        return "a link in a zip archive"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted in a zip archive"
    if member.compress_type not in _COMPRESSIONS:
        return f"compressed in a zip archive by method {member.compress_type}, which is not read"
    return None


def _said_count(path: str) -> int | None:
    """None where there are more members than the record has room for."""
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - _LONGEST, 0))
        end = file.read()
    place = end.rfind(_LAST_RECORD) + 10
    count = int.from_bytes(end[place : place + 2], "little")
    return None if count == _TOO_MANY else count
