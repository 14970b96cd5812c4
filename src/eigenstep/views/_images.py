"""What every operation demands of its images and of its per-sample parameters."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

import torch
from torch import Tensor

Rest = ParamSpec("Rest")


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
    """Refuse anything but a batch (B, 3, H, W) of uint8 or floats with something in it."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images: expected a torch tensor (B, 3, H, W), got {type(images).__name__}")
    shape = tuple(images.shape)
    if images.ndim != 4:
        raise ValueError(f"images: expected four dimensions (B, 3, H, W), got shape {shape}")
    if images.shape[1] != 3:
        raise ValueError(
            f"images: expected 3 channels (B, 3, H, W), got shape {shape}; repeat a grey channel three times"
        )
    if images.numel() == 0:
        raise ValueError(f"images: expected at least one image and one pixel, got shape {shape}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(
            f"images: expected uint8 or floats in [0, 1], got {images.dtype}; convert them first"
        )


def float_images(images: Tensor) -> Tensor:
    """Checked images as contiguous float32: uint8 is divided by 255, floats are only cast."""
    floats = images.to(torch.float32, memory_format=torch.contiguous_format)
    return floats.div_(255) if images.dtype == torch.uint8 else floats


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
