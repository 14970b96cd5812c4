"""NumPy's files: .npy, memory-mapped, and .npz, streamed out of the archive."""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._joined import by_name
from eigenstep.embeddings._stored import Content, Stored

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def npy_content(path: Path) -> Content:
    """The one array of an .npy file."""
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, path)
        offset = file.tell()

    def pieces(rows: int) -> Iterator[Tensor]:
        mapped = np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
        for start in range(0, shape[0], rows):
            yield _tensor(mapped[start : start + rows])

    if path.stat().st_size < offset + dtype.itemsize * int(np.prod(shape)):
        raise ValueError(f"{path} ends before its array does: it was not written to its end")
    return Content({None: _stored(shape, dtype, pieces, lambda: np.load(path, allow_pickle=False))})


def npz_content(path: Path) -> Content:
    """The arrays of an .npz file, and `description` of what `eigenstep embed` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            headers = {}
            for name in names:
                with archive.open(name) as file:
                    headers[name] = _header(file, path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file ({error})") from error
    members = {name.removesuffix(".npy"): _Member(path, name, header) for name, header in headers.items()}
    arrays: dict[str | None, Stored] = {
        name: _stored(member.header[0], member.header[2], member.pieces, member.whole)
        for name, member in members.items()
    }
    told = members.get("description")
    is_text = told is not None and told.header[0] == () and told.header[2].kind == "U"

    def read(chosen: Sequence[str]) -> Iterator[Tensor]:
        with zipfile.ZipFile(path) as archive:
            for name in chosen:
                yield _tensor(members[name].whole(archive))

    return by_name(path, arrays, read) or Content(arrays, str(told.whole()) if told and is_text else "")


class _Member:
    """An array in an archive."""

    def __init__(self, path: Path, name: str, header: Header) -> None:
        self.path, self.name, self.header = path, name, header

    def pieces(self, rows: int) -> Iterator[Tensor]:
        """About so many rows at a time; of an array in Fortran order, which is read whole, too."""
        shape, fortran, dtype = self.header
        count, width = shape[0], math.prod(shape[1:])
        with self._opened() as file:
            _header(file, self.path)
            if fortran:
                whole = np.frombuffer(file.read(), dtype).reshape(shape, order="F")
            for start in range(0, count, rows):
                size = min(rows, count - start)
                if fortran:
                    yield _tensor(whole[start : start + size])
                else:
                    values = np.frombuffer(file.read(size * width * dtype.itemsize), dtype)
                    yield _tensor(values.reshape(size, width))

    def whole(self, archive: zipfile.ZipFile | None = None) -> NDArray[Any]:
        with self._opened(archive) as file:
            try:
                values: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise ValueError(
                    f"{self.path} cannot be read: {self.name} is damaged, or holds objects"
                ) from error
            return values

    @contextmanager
    def _opened(self, archive: zipfile.ZipFile | None = None) -> Iterator[IO[bytes]]:
        try:
            with (
                zipfile.ZipFile(self.path) if archive is None else nullcontext(archive) as opened,
                opened.open(self.name) as file,
            ):
                yield file
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{self.path} is damaged: {self.name} cannot be read ({error})") from error


def _header(file: IO[bytes], path: Path) -> Header:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        return read[version](file)
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} does not begin as a NumPy array does ({error})") from error


def _stored(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pieces: Callable[[int], Iterator[Tensor]],
    whole: Callable[[], NDArray[Any]],
) -> Stored:
    kind = "Python objects" if dtype.hasobject else str(dtype)
    return Stored(shape, kind, dtype.kind in "fiub", pieces, whole)


def _tensor(values: NDArray[Any]) -> Tensor:
    """A copy, in this machine's byte order and a type that torch has."""
    kind = values.dtype
    foreign = kind.itemsize > 8 or (kind.kind == "u" and kind.itemsize > 1)
    return torch.from_numpy(values.astype(np.float64 if foreign else kind.newbyteorder("=")))
