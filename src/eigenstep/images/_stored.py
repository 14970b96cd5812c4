"""Images as a run stores them, squares of one size: from any, by name, and what memory they take."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eigenstep.images._decode import decode_image, middle_square
from eigenstep.machine import available_memory

# Of the memory that is available: training needs room beside the images.
MEMORY_SHARE = 0.8


def stored_images(
    images: Tensor | Image.Image | str | Path | Sequence[Image.Image | str | Path], size: int
) -> Tensor:
    """uint8 (n, 3, size, size), resized and centre cropped where they are of another size.

    Examples
    --------
    >>> stored_images(torch.zeros(2, 3, 20, 30, dtype=torch.uint8), 16).shape
    torch.Size([2, 3, 16, 16])
    """
    if isinstance(images, Tensor):
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"expected images as uint8 (n, 3, H, W), got {images.dtype} {tuple(images.shape)};"
                " normalisation is left to prepare"
            )
        if images.shape[2:] == (size, size):
            return images
        opened = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
        return _stack(opened, size).to(images.device)
    several = [images] if isinstance(images, Image.Image | str | Path) else list(images)
    return _stack([_open(image) for image in several], size)


def image_hashes(images: Tensor) -> np.ndarray:
    """A name for the content of each image as it is stored, uint8 (n, 3, H, W): (n,) texts of 16 digits.

    BLAKE2b over shape and pixels, so the same photograph stored at another size has another name.

    Examples
    --------
    >>> import torch
    >>> image_hashes(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)).tolist()
    ['2e92979a55d7c9e0', '2e92979a55d7c9e0']
    """
    rows = np.ascontiguousarray(images.cpu().numpy())
    shape = "x".join(map(str, rows.shape[1:])).encode()
    digests = [hashlib.blake2b(shape + row.tobytes(), digest_size=8).hexdigest() for row in rows]
    return np.array(digests, dtype="<U16")


def fits_memory(count: int, size: int, processes: int = 1) -> bool:
    """Whether `count` images of size × size fit, when so many processes of this machine hold them each."""
    available = available_memory()
    return available is None or processes * image_bytes(count, size) <= MEMORY_SHARE * available


def check_memory(data: str, count: int, size: int, advice: str) -> None:
    """Raises ValueError, with the advice at its end, if `count` images of size × size do not fit."""
    if not fits_memory(count, size):
        need, available = image_bytes(count, size), available_memory() or 0
        raise ValueError(
            f"{data}: {count} images of {size}×{size} px take {need / 2**30:.1f} GiB and this machine has"
            f" {available / 2**30:.1f} GiB of memory available; {advice}"
        )


def image_bytes(count: int, size: int) -> int:
    return 3 * count * size**2


def _stack(images: list[Image.Image], size: int) -> Tensor:
    if not images:
        raise ValueError("expected at least one image, got none")
    return torch.from_numpy(np.stack([middle_square(image, size) for image in images]))


def _open(image: Image.Image | str | Path) -> Image.Image:
    if isinstance(image, Image.Image):
        if image.mode != "RGB":
            raise ValueError(
                f"expected an RGB image, got mode {image.mode}; convert it, or give its path, which is read"
                " as the run reads its own"
            )
        return image
    if not isinstance(image, str | Path):
        raise ValueError(f"expected paths or RGB images of PIL, got {type(image).__name__}")
    if not Path(image).is_file():
        raise FileNotFoundError(f"there is no image {image}")
    try:
        return decode_image({"bytes": None, "path": str(image)})
    except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
        raise ValueError(f"{image} cannot be decoded as an image") from error
