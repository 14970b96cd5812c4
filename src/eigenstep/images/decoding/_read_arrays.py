"""Arrays in .npy and .npz files, and as they come from Python, as images."""

import zipfile
from functools import lru_cache
from math import prod
from typing import IO, Literal

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding._image_size import check_size, check_unpacked
from eigenstep.images.decoding._records import BytesImage, FileImage, MemberImage, PartImage, state_of

NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
# Axes longer than this are no channels, unless the layout is given.
MOST_CHANNELS = 64

Layout = Literal["HW", "HWC", "CHW", "NHW", "NHWC", "NCHW"]
File = FileImage | MemberImage | BytesImage


def find_layout(shape: tuple[int, ...], config: ImagesConfig) -> Layout:
    """What an array's axes are.

    Two are (H, W). Of three the last or else the first one is of channels, if it is at most 64 long and at
    most half as long as both others; otherwise the first one counts images. Of four the first one counts
    images, and the channels are the last or else the second one, by the same rule. `config.layout` says it
    otherwise.

    Raises
    ------
    ValueError
        If no image has so many axes.

    Examples
    --------
    >>> [find_layout(shape, ImagesConfig()) for shape in [(64, 64, 12), (12, 64, 64), (500, 28, 28)]]
    ['HWC', 'CHW', 'NHW']
    """
    if len(shape) == 2:
        return "HW"
    if config.layout is not None and len(config.layout) == len(shape):
        return config.layout
    if len(shape) == 3:
        if _are_channels(shape[2], shape[:2]):
            return "HWC"
        return "CHW" if _are_channels(shape[0], shape[1:]) else "NHW"
    if len(shape) == 4:
        first = _are_channels(shape[1], shape[2:]) and not _are_channels(shape[3], shape[1:3])
        return "NCHW" if first else "NHWC"
    raise ValueError(f"an array of shape {shape} is not an image: expected 2 to 4 axes")


def hwc(pixels: np.ndarray, config: ImagesConfig) -> np.ndarray:
    """Pixels that are a record: (H, W) and (H, W, C), or with the axes that `config.layout` says."""
    if pixels.ndim == 3 and config.layout != "CHW":
        return _checked(pixels)
    if pixels.ndim not in (2, 3):
        raise ValueError(f"an array of shape {pixels.shape} is not an image: expected (H, W) or (H, W, C)")
    return _channels_last(pixels, "HW" if pixels.ndim == 2 else "CHW")


def read_array(record: File | PartImage, config: ImagesConfig) -> np.ndarray:
    """The image (H, W, C) that an .npy or .npz file holds, or one of several.

    No more is read than that where the array is not compressed.

    Raises
    ------
    ValueError
        If it holds several and none of them is named, or what is no image.
    """
    if isinstance(record, PartImage):
        array = _array(record.file, record.array)
    else:
        stacks = array_shapes(record, config)
        if not stacks:
            raise ValueError("it holds no array of two to four axes of numbers")
        count = sum(count_images(shape, config) for shape in stacks.values())
        if count > 1:
            raise ValueError(f"it holds {count} images, and none of them was named")
        array = _array(record, next(iter(stacks)))
    layout: str = find_layout(array.shape, config)
    if layout[0] == "N":
        array = array[record.index if isinstance(record, PartImage) else 0]
        layout = layout[1:]
    height, width = (array.shape[layout.index(axis)] for axis in "HW")
    check_size(width, height, config)
    return _channels_last(np.array(array), layout)


def array_shapes(record: File, config: ImagesConfig) -> dict[str | None, tuple[int, ...]]:
    """The shapes of the arrays that may be images, by their names in an .npz file; no array is read.

    An array of two axes, the first as long as an array of images beside it, says something of each of
    them, such as its label.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.savez(file, images=np.zeros((20, 8, 8), np.uint8), labels=np.zeros(20), mask=np.zeros((8, 8)))
    >>> array_shapes(BytesImage(file.getvalue()), ImagesConfig())
    {'images': (20, 8, 8), 'mask': (8, 8)}
    """
    with record.open() as file:
        if file.read(len(NPY)) == NPY:
            file.seek(0)
            shapes: dict[str | None, tuple[int, ...]] = {None: _header(file)[0]}
        else:
            shapes = {}
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    if member.endswith(".npy"):
                        with archive.open(member) as inside:
                            shape, _, dtype = _header(inside)
                        if dtype.kind in "buif":
                            shapes[member.removesuffix(".npy")] = shape
    shapes = {name: shape for name, shape in shapes.items() if 2 <= len(shape) <= 4}
    stacks = {shape[0] for shape in shapes.values() if find_layout(shape, config)[0] == "N"}
    return {name: shape for name, shape in shapes.items() if len(shape) > 2 or shape[0] not in stacks}


def count_images(shape: tuple[int, ...], config: ImagesConfig) -> int:
    """How many images an array of this shape holds.

    Examples
    --------
    >>> count_images((10, 32, 32, 3), ImagesConfig())
    10
    """
    return shape[0] if find_layout(shape, config)[0] == "N" else 1


def _are_channels(length: int, others: tuple[int, ...]) -> bool:
    return length <= MOST_CHANNELS and 2 * length <= min(others)


def _channels_last(pixels: np.ndarray, layout: str) -> np.ndarray:
    if layout == "HW":
        pixels = pixels[..., None]
    elif layout == "CHW":
        pixels = pixels.transpose(1, 2, 0)
    return _checked(pixels)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind not in "buif":
        raise ValueError(f"its values are {pixels.dtype}: expected real numbers")
    if not pixels.size:
        raise ValueError(f"an array of shape {pixels.shape} has no pixels")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _array(file: File, name: str | None) -> np.ndarray:
    """An array, mapped into memory where it lies in a file as it is, and kept for its next row otherwise."""
    return _array_at(file, name, *state_of(file))


@lru_cache(maxsize=4)
def _array_at(file: File, name: str | None, modified: int, size: int) -> np.ndarray:
    """By when it was modified, so that a file that was replaced is read anew."""
    if isinstance(file, FileImage):
        if name is None:
            return np.load(file.path, mmap_mode="r", allow_pickle=False)
        mapped = _mapped_member(file.path, f"{name}.npy")
        if mapped is not None:
            return mapped
    with PartImage(file).open() as opened:
        found = np.load(opened, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else found[name]


def _mapped_member(path: str, member: str) -> np.ndarray | None:
    """An array of an .npz file that is not compressed, mapped into memory."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        about = archive.getinfo(member)
        if about.compress_type != zipfile.ZIP_STORED:
            check_unpacked(about.file_size)
            return None
        file.seek(about.header_offset + 26)
        lengths = [int.from_bytes(file.read(2), "little") for _ in range(2)]
        file.seek(about.header_offset + 30 + sum(lengths))
        shape, is_fortran, dtype = _header(file)
        if dtype.hasobject or prod(shape) == 0:
            return None
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        return np.memmap(path, dtype, "r", file.tell(), shape, order)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
