"""NumPy's files: .npy, memory-mapped, and .npz, streamed out of the archive."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from eigenstep.embeddings._rows import Stored

Header = tuple[tuple[int, ...], bool, np.dtype]


def npy_arrays(path: Path) -> dict[str | None, Stored]:
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
    return {None: _stored(shape, dtype, pieces)}


def npz_arrays(path: Path) -> dict[str | None, Stored]:
    """The arrays of an .npz file; one in Fortran order is read whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            headers = {}
            for name in names:
                with archive.open(name) as file:
                    headers[name] = _header(file, path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an .npz file ({error})") from error
    return {
        name.removesuffix(".npy"): _stored(shape, dtype, _Member(path, name, (shape, fortran, dtype)))
        for name, (shape, fortran, dtype) in headers.items()
    }


class _Member:
    """The rows of an array in an archive."""

    def __init__(self, path: Path, name: str, header: Header) -> None:
        self.path, self.name, self.header = path, name, header

    def __call__(self, rows: int) -> Iterator[Tensor]:
        try:
            yield from self._pieces(rows)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{self.path} is damaged: {self.name} cannot be read ({error})") from error

    def _pieces(self, rows: int) -> Iterator[Tensor]:
        (count, width), fortran, dtype = self.header
        with zipfile.ZipFile(self.path) as archive, archive.open(self.name) as file:
            _header(file, self.path)
            if fortran:
                whole = np.frombuffer(file.read(), dtype).reshape((count, width), order="F")
            for start in range(0, count, rows):
                size = min(rows, count - start)
                if fortran:
                    yield _tensor(whole[start : start + size])
                else:
                    values = np.frombuffer(file.read(size * width * dtype.itemsize), dtype)
                    yield _tensor(values.reshape(size, width))


def _header(file: IO[bytes], path: Path) -> Header:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        return read[version](file)
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path} does not begin as a NumPy array does ({error})") from error


def _stored(shape: tuple[int, ...], dtype: np.dtype, pieces) -> Stored:
    kind = "Python objects" if dtype.hasobject else str(dtype)
    return Stored(shape, kind, dtype.kind in "fiub", pieces)


def _tensor(values: np.ndarray) -> Tensor:
    """A copy, in this machine's byte order and a type that torch has."""
    kind = values.dtype
    foreign = kind.itemsize > 8 or (kind.kind == "u" and kind.itemsize > 1)
    return torch.from_numpy(values.astype(np.float64 if foreign else kind.newbyteorder("=")))
