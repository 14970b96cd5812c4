"""One image as a data set holds it: in a file, an archive, a row of a table, or as pixels."""

import io
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from eigenstep.images.decoding._image_size import check_unpacked


@dataclass(frozen=True)
class FileImage:
    """An image file on this machine.

    Attributes
    ----------
    path : str
        Where it is.

    Examples
    --------
    >>> FileImage("photos/cat.png").path
    'photos/cat.png'
    """

    path: str

    def open(self) -> BinaryIO:
        if not Path(self.path).is_file():  # what is no file may never end
            raise ValueError("it is not a file")
        return open(self.path, "rb")


@dataclass(frozen=True)
class MemberImage:
    """An image file in a zip archive.

    Attributes
    ----------
    archive, member : str
        The archive's path, and the file's name in it.

    Examples
    --------
    >>> MemberImage("photos.zip", "cats/1.png")
    MemberImage(archive='photos.zip', member='cats/1.png')
    """

    archive: str
    member: str

    @property
    def path(self) -> str:
        return f"{self.archive}/{self.member}"

    def open(self) -> BinaryIO:
        """Raises zipfile.BadZipFile if its checksum does not match, ValueError if it is too large."""
        opened = _opened(self.archive, *state_of(self), os.getpid())
        check_unpacked(opened.getinfo(self.member).file_size)
        return io.BytesIO(opened.read(self.member))


@dataclass(frozen=True)
class BytesImage:
    """The content of an image file.

    Attributes
    ----------
    content : bytes
        All of it.
    path : str | None
        The name it has in its data set, if any.

    Examples
    --------
    >>> BytesImage(b"GIF89a").open().read(3)
    b'GIF'
    """

    content: bytes
    path: str | None = None

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


@dataclass(frozen=True)
class PartImage:
    """One of the images that a file holds: a page, a frame, or a row of an array.

    Attributes
    ----------
    file : FileImage | MemberImage | BytesImage
        The whole.
    index : int
        Which of them.
    array : str | None
        The name of the array in an .npz file.
    is_whole : bool
        The array is one image, of which `index` says nothing.

    Examples
    --------
    >>> from eigenstep.images.decoding import FileImage
    >>> PartImage(FileImage("cells.npz"), index=3, array="images").path
    'cells.npz[images][3]'
    """

    file: FileImage | MemberImage | BytesImage
    index: int = 0
    array: str | None = None
    is_whole: bool = False

    @property
    def path(self) -> str | None:
        if self.file.path is None:
            return None
        array = "" if self.array is None else f"[{self.array}]"
        return f"{self.file.path}{array}" + ("" if self.is_whole else f"[{self.index}]")

    def open(self) -> BinaryIO:
        """Of an archive the file is unpacked once for all of its images."""
        if isinstance(self.file, MemberImage):
            return io.BytesIO(_unpacked(self.file, *state_of(self.file)))
        return self.file.open()


@dataclass(frozen=True)
class FailedItem:
    """An item that could not be had, in the place of its image.

    Attributes
    ----------
    reason : str
        What its data set raised.
    """

    reason: str
    path: None = None

    def open(self) -> BinaryIO:
        raise ValueError(self.reason)


@dataclass(frozen=True)
class PillowImage:
    """An image that Pillow has opened, or made.

    Attributes
    ----------
    image : Image.Image
        As a data set in memory gives it.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig, read_pixels
    >>> read_pixels(PillowImage(Image.new("RGB", (6, 4))), ImagesConfig()).shape
    (4, 6, 3)
    """

    image: Image.Image
    path: None = None


# Pixels are (H, W) or (H, W, C), of any kind of numbers; None where there is no image.
Record = FileImage | MemberImage | BytesImage | PartImage | FailedItem | PillowImage | np.ndarray | None


def state_of(file: FileImage | MemberImage | BytesImage) -> tuple[int, int]:
    """When what it lies in was written, and how large that is: what is kept of it holds as long."""
    if isinstance(file, BytesImage):
        return 0, 0
    state = os.stat(file.path if isinstance(file, FileImage) else file.archive)
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=1)
def _unpacked(file: MemberImage, modified: int, size: int) -> bytes:
    with file.open() as opened:
        return opened.read()


@lru_cache(maxsize=16)
def _opened(path: str, modified: int, size: int, process: int) -> zipfile.ZipFile:
    """Processes that were forked from each other would share a file's position."""
    return zipfile.ZipFile(path)
