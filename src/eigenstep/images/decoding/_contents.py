"""Which images a file holds: mostly one; pages, frames and rows of arrays, where these are images."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._read_arrays import NPY, ZIP, array_shapes, find_layout
from eigenstep.images.decoding._read_dicom import count_frames, is_dicom
from eigenstep.images.decoding._read_pixels import HEAD
from eigenstep.images.decoding._read_tiff import TIFF, count_pages
from eigenstep.images.decoding._records import BytesImage, FileImage, MemberImage, PartImage, Record

# Files of these endings hold one image each, and are not looked into.
_SINGLE = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".avif", ".heic", ".heif", ".ppm", ".pgm")
# Of these too, where pages are channels.
_PAGED = (".tif", ".tiff", ".dcm")


def images_in(record: FileImage | MemberImage | BytesImage, config: ImagesConfig) -> Sequence[Record]:
    """The images of a file, in their order.

    Of an array of several images they are its rows, of an .npz file those of all its arrays that may be
    images. With `config.pages` "images" they are the pages of a TIFF file and the frames of a DICOM one.
    What cannot be looked into is one image, whose reason is told when it is decoded.

    Examples
    --------
    >>> len(images_in(FileImage("cat.jpg"), ImagesConfig()))
    1
    """
    suffix = Path(record.path or "").suffix.lower()
    if suffix in _SINGLE or (suffix in _PAGED and config.pages == "channels"):
        return [record]
    try:
        return _look_into(record, config)
    except Exception:  # whatever a decoder raises: it will again
        return [record]


def _look_into(record: FileImage | MemberImage | BytesImage, config: ImagesConfig) -> Sequence[Record]:
    with record.open() as file:
        head = file.read(HEAD)
        if head.startswith((NPY, ZIP)):
            return _of_arrays(record, config)
        file.seek(0)
        count = 1
        if config.pages == "images" and head.startswith(TIFF):
            count = count_pages(file)
        elif config.pages == "images" and is_dicom(head):
            count = count_frames(file)
    return [record] if count == 1 else Parts(record, [(None, count, False)])


def _of_arrays(record: FileImage | MemberImage | BytesImage, config: ImagesConfig) -> Sequence[Record]:
    stacks = []
    for name, shape in array_shapes(record, config).items():
        is_stack = find_layout(shape, config)[0] == "N"
        stacks.append((name, shape[0] if is_stack else 1, not is_stack))
    if len(stacks) == 1 and stacks[0][2]:
        return [record]
    return Parts(record, stacks) if stacks else [record]


class Parts(Sequence[Record]):
    """The images of one file, each made when it is asked for.

    Parameters
    ----------
    file : FileImage | MemberImage | BytesImage
        The whole.
    stacks : Sequence[tuple[str | None, int, bool]]
        Of each array its name, how many images it holds, and whether it is one as a whole.
    """

    def __init__(
        self, file: FileImage | MemberImage | BytesImage, stacks: Sequence[tuple[str | None, int, bool]]
    ) -> None:
        self.file, self.stacks = file, stacks

    def __len__(self) -> int:
        return sum(count for _, count, _ in self.stacks)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        for name, count, is_whole in self.stacks:
            if 0 <= place < count:
                return PartImage(self.file, place, name, is_whole)
            place -= count
        raise IndexError(index)
