"""Images of any kind as a run stores its own: squares of one size, uint8."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from eigenstep.images._decode import decode


def stored_images(
    images: Tensor | Image.Image | str | Path | Sequence[Image.Image | str | Path], size: int
) -> Tensor:
    """uint8 (n, 3, size, size), resized and centre cropped where they are of another size.

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


def _stack(images: list[Image.Image], size: int) -> Tensor:
    if not images:
        raise ValueError("expected at least one image, got none")
    squares = [ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR) for image in images]
    return torch.from_numpy(np.stack([np.asarray(square).transpose(2, 0, 1) for square in squares]))


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
        return decode({"bytes": None, "path": str(image)})
    except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
        raise ValueError(f"{image} cannot be decoded as an image") from error
