"""What every operation demands of its images and of its per-sample parameters."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

import torch
from torch import Tensor

Rest = ParamSpec("Rest")

# What stands for 1 in images of whole numbers.
HIGHEST = {torch.uint8: 255, torch.uint16: 65535}


def full_precision(
    operation: Callable[Concatenate[Tensor, Rest], Tensor],
) -> Callable[Concatenate[Tensor, Rest], Tensor]:
    """Let an operation check its images, then run in float32 and without gradients even under autocast."""

    @wraps(operation)
    def run(images: Tensor, *args: Rest.args, **kwargs: Rest.kwargs) -> Tensor:
        check_images(images)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return operation(images, *args, **kwargs)

    # Callers may name the images, which a type of Concatenate cannot say.
    return cast(Callable[Concatenate[Tensor, Rest], Tensor], run)


def check_images(images: Tensor) -> None:
    """Refuse anything but a batch (B, C, H, W) of uint8, uint16 or floats with something in it."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images: expected a torch tensor (B, C, H, W), got {type(images).__name__}")
    shape = tuple(images.shape)
    if images.ndim != 4:
        raise ValueError(f"images: expected four dimensions (B, C, H, W), got shape {shape}")
    if images.numel() == 0:
        raise ValueError(f"images: expected at least one image, channel and pixel, got shape {shape}")
    if images.dtype not in HIGHEST and not images.is_floating_point():
        raise ValueError(
            f"images: expected uint8, uint16 or floats in [0, 1], got {images.dtype}; convert them first"
        )


def check_color(images: Tensor) -> None:
    """Refuse checked images without red, green and blue."""
    if images.shape[1] != 3:
        raise ValueError(
            f"images: expected 3 channels, red, green and blue, got shape {tuple(images.shape)}; leave"
            " operations on colours out"
        )


def float_images(images: Tensor) -> Tensor:
    """Images of any stored type as contiguous float32 in [0, 1]: of whole numbers the type's full range.

    Floats are only cast.

    Examples
    --------
    >>> float_images(torch.full((1, 1, 1, 2), 65535, dtype=torch.uint16)).flatten()
    tensor([1., 1.])
    """
    floats = images.to(torch.float32).contiguous()
    highest = HIGHEST.get(images.dtype)
    return floats if highest is None else floats.div_(highest)


def highest_value(images: Tensor) -> int:
    """What stands for 1 in images of this stored type.

    Examples
    --------
    >>> highest_value(torch.zeros(1, dtype=torch.uint16)), highest_value(torch.zeros(1))
    (65535, 1)
    """
    return HIGHEST.get(images.dtype, 1)


def select_images(images: Tensor, rows: Tensor) -> Tensor:
    """Some rows of a batch; of 16-bit numbers their signed twins are taken, which every device can index."""
    if images.dtype == torch.uint16:
        return images.view(torch.int16).index_select(0, rows).view(torch.uint16)
    return images.index_select(0, rows)


def check_length(name: str, values: Tensor, images: Tensor) -> None:
    """Refuse parameters of which there is not one for each image."""
    if values.ndim == 0 or len(values) != len(images):
        raise ValueError(
            f"{name}: expected one entry for each of the {len(images)} images, "
            f"got shape {tuple(values.shape)}"
        )


def chosen_rows(chosen: Tensor, images: Tensor) -> Tensor:
    """Indices, on the images' device, of the images for which `chosen` (B,) holds.

    They are counted on the device of `chosen`, so that parameters on the CPU never wait for a GPU.
    """
    return chosen.nonzero().flatten().to(images.device, non_blocking=True)
