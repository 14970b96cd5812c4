"""Images as a run stores them, squares of one size: from any, and by name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import FileImage, flat, read_image, reason_of
from eigenstep.images.stored._scale import TOPS, as_type, stored_dtype
from eigenstep.images.stored._squares import middle_square
from eigenstep.images.stored._stored_format import StoredFormat

# An image of PIL, pixels (H, W) or (H, W, C) with values as in files, or a path.
AnyImage = Image.Image | np.ndarray | str | Path


def stored_images(
    images: Tensor | AnyImage | Sequence[AnyImage], config: ImagesConfig, pixels: Pixels | None = None
) -> Tensor:
    """(n, C, S, S) as a run stores them, resized and centre cropped where they are of another size.

    Parameters
    ----------
    images : Tensor | AnyImage | Sequence[AnyImage]
        Stored images (n, C, H, W), uint8, uint16 or float32 within [0, 1], which are only made squares; or
        paths, images of PIL, or arrays (H, W) and (H, W, C) with values as in files, one or several.
    config : ImagesConfig
        How the run reads its images, and their size.
    pixels : Pixels | None
        What the run's stored images consist of. Default: `config.channels`, or three, in the depth of these.

    Raises
    ------
    ValueError
        For what is no image or does not fit; FileNotFoundError for a path where there is none.

    Examples
    --------
    >>> stored_images(torch.zeros(2, 3, 20, 30, dtype=torch.uint8), ImagesConfig(size=16)).shape
    torch.Size([2, 3, 16, 16])
    """
    size = config.stored_size or config.size
    if isinstance(images, Tensor):
        return _squares_of(images, size, config, pixels)
    several = [images] if isinstance(images, AnyImage) else list(images)
    if not several:
        raise ValueError("expected at least one image, got none")
    opened = [_open(image, config) for image in several]
    stored = StoredFormat(config, pixels or _pixels_of(opened, config))
    return torch.from_numpy(np.stack([stored.square_of(image).values for image in opened]))


def image_hashes(images: Tensor) -> np.ndarray:
    """A name for the content of each image as it is stored, (n, C, H, W): (n,) texts of 16 digits.

    BLAKE2b over shape and pixels, and their type where that is not uint8, so the same photograph stored at
    another size or depth has another name.

    Examples
    --------
    >>> import torch
    >>> image_hashes(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)).tolist()
    ['2e92979a55d7c9e0', '2e92979a55d7c9e0']
    """
    rows = np.ascontiguousarray(images.cpu().numpy())
    kind = "" if rows.dtype == np.uint8 else f"{rows.dtype.name} "
    shape = (kind + "x".join(map(str, rows.shape[1:]))).encode()
    rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    digests = [hashlib.blake2b(shape + row.tobytes(), digest_size=8).hexdigest() for row in rows]
    return np.array(digests, dtype="<U16")


def _squares_of(images: Tensor, size: int, config: ImagesConfig, pixels: Pixels | None) -> Tensor:
    """Stored images of any size as those of one."""
    name = str(images.dtype).removeprefix("torch.")
    channels = pixels.channels if pixels else config.channels or (images.shape[1] if images.ndim == 4 else 0)
    if name not in TOPS or images.ndim != 4 or images.shape[1] != channels:
        raise ValueError(
            f"expected images as uint8, uint16 or float32 (n, {channels or 'C'}, H, W), got {images.dtype}"
            f" {tuple(images.shape)}; normalisation is left to prepare"
        )
    if name == "float32" and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            "expected float32 images within [0, 1], got values outside; normalisation is left to prepare"
        )
    if images.shape[2:] == (size, size):
        return images
    if not len(images):
        raise ValueError("expected at least one image, got none")
    squares = []
    for image in images.cpu().numpy():
        last = image.transpose(1, 2, 0)
        if name != "uint8":
            last = last.astype(np.float32)
        square = middle_square(np.ascontiguousarray(last), size)
        squares.append(square if name == "uint8" else as_type(square, name))
    return torch.from_numpy(np.stack(squares)).to(images.device)


def _pixels_of(opened: Sequence[Image.Image | np.ndarray], config: ImagesConfig) -> Pixels:
    """The depth that holds all of these images; values of others than 8 and 16 bits need a range."""
    kinds = {image.dtype if isinstance(image, np.ndarray) else np.dtype(np.uint8) for image in opened}
    asked = config.range if config.range is not None and config.range[0] != "percentile" else None
    value_range = None if asked is None else (float(asked[0]), float(asked[-1]))
    channels = config.channels or len(config.take) or Pixels.channels
    return Pixels(channels, stored_dtype(kinds, value_range), value_range)


def _open(image: AnyImage, config: ImagesConfig) -> Image.Image | np.ndarray:
    if isinstance(image, Image.Image):
        return flat(image)
    if isinstance(image, np.ndarray):
        return read_image(image, config)
    if not isinstance(image, str | Path):
        raise ValueError(f"expected paths, arrays or images of PIL, got {type(image).__name__}")
    if not Path(image).is_file():
        raise FileNotFoundError(f"there is no image {image}")
    try:
        return read_image(FileImage(str(image)), config)
    except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
        raise ValueError(f"{image} cannot be decoded as an image ({reason_of(error)})") from error
