"""The files of a tar archive, one after another, and whatever in it is none."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from eigenstep.images.decoding import check_unpacked
from eigenstep.images.sources._damage import Damage, is_of_content
from eigenstep.images.sources._kinds import is_hidden, plain_path
from eigenstep.images.sources._passed_over import PassedOver

# Two empty blocks end an archive, which is filled up with others to a record of 20.
MOST_PADDING = 21 * tarfile.BLOCKSIZE


def tar_members(
    file: IO[bytes],
    name: str,
    damage: Damage,
    passed_over: PassedOver,
    take: Callable[[str, IO[bytes]], bytes | None],
) -> Iterator[tuple[str, bytes | None]]:
    """Paths of an archive's regular files, hidden ones aside, and what `take` takes of each.

    The archive may be compressed by gzip, bzip2, xz or zstandard. It is read to its very end, so that the
    mark there, the compression's checksum and what follows are looked at too. Behind a damaged header
    reading goes on at the next one that has the sum it says.

    Parameters
    ----------
    file : IO[bytes]
        Is read forwards only.
    name : str
        The archive's, for what may be wrong with it.
    damage : Damage
        Is told it.
    passed_over : PassedOver
        Is told what is hidden or no file, such as links.
    take : Callable[[str, IO[bytes]], bytes | None]
        Reads what it wants of a file.

    Raises
    ------
    ValueError
        If the archive is damaged and that is to be refused.
    """
    archive = None
    open_archive: Any = _Archive.open
    try:
        stream = _decompressed(file)
        archive = open_archive(fileobj=stream, mode="r|", ignore_zeros=True, goes_on=damage.is_passed)
        while (member := archive.next()) is not None:
            if gap := archive.gap(member.offset):
                damage.tell(name, gap)
            path = plain_path(member.name)
            if any(map(is_hidden, path.split("/"))):
                if not member.isdir():
                    passed_over.add(f"{name}/{path}", "hidden")
            elif member.isreg() and (reason := _too_large(member)):
                passed_over.add(f"{name}/{path}", reason)
            elif member.isreg():
                yield path, take(path, archive.extractfile(member))
            elif not member.isdir():
                passed_over.add(f"{name}/{path}", _why_not(member))
            archive.members = []  # which would grow with the archive
        if gap := archive.end():
            damage.tell(name, gap)
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and not is_of_content(error):
            raise
        place = f"from byte {archive.fileobj.tell():,} on" if archive and archive.fileobj else "at all"
        damage.tell(name, f"it cannot be read {place}: {error}")


def _too_large(member: tarfile.TarInfo) -> str | None:
    try:
        check_unpacked(member.size)
    except ValueError as error:
        return str(error)
    return None


def _why_not(member: tarfile.TarInfo) -> str:
    if member.islnk():
        return "a second name in a tar archive of a file that is there"
    return "a link in a tar archive" if member.issym() else "no file"


class _Archive(tarfile.TarFile):
    """Remembers since which byte no file has been found.

    Parameters
    ----------
    goes_on : bool
        A damaged header does not end the reading.
    """

    fileobj: Any
    _damaged_from: int | None = None
    _empty_from: int | None = None

    def __init__(self, *arguments: Any, goes_on: bool, **options: Any) -> None:
        self.goes_on = goes_on
        super().__init__(*arguments, **(options | {"tarinfo": _Header}))

    def gap(self, end: int) -> str | None:
        """What is wrong between the last file and the next one, which begins at byte `end`."""
        start = self._nothing_from()
        self._damaged_from = self._empty_from = None
        return None if start is None else f"bytes {start:,} to {end:,} hold no file"

    def end(self) -> str | None:
        """What is wrong behind the last file."""
        end = self.fileobj.tell()
        if self._damaged_from is not None:
            return f"from byte {self._nothing_from():,} on it holds no file"
        if self._empty_from is None:
            return f"it ends at byte {end:,} without the mark of an archive's end"
        if end - self._empty_from > MOST_PADDING:
            return f"from byte {self._empty_from:,} on it is empty, for longer than an archive's end is"
        return None

    def _nothing_from(self) -> int | None:
        places = [place for place in (self._damaged_from, self._empty_from) if place is not None]
        return min(places, default=None)


class _Header(tarfile.TarInfo):
    """Tells its archive what is no header."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        place = archive.fileobj.tell()
        try:
            return super().fromtarfile(archive)
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]  # the file's end
            raise
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            if archive._empty_from is None:
                archive._empty_from = place
            raise
        except tarfile.HeaderError as error:
            if not archive.goes_on:
                raise tarfile.ReadError(f"{error} at byte {place:,}") from error
            if archive._damaged_from is None:
                archive._damaged_from = place
            archive.offset = archive.fileobj.tell() - tarfile.BLOCKSIZE  # of long names more was read
            raise tarfile.InvalidHeaderError(str(error)) from error  # type: ignore[attr-defined]


class _Unbuffered(io.RawIOBase):
    """A file of any library, of which only `read` is known."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        content = self._file.read(len(room))
        room[: len(content)] = content
        return len(content)


def _decompressed(file: IO[bytes]) -> Any:
    """The tarfile module knows some of these too, but looks neither at checksums nor at the stream's end."""
    file = file if isinstance(file, io.BufferedReader) else io.BufferedReader(_Unbuffered(file))
    head = file.peek(6)[:6]
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(file)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow

        return pyarrow.CompressedInputStream(file, "zstd")
    return file
