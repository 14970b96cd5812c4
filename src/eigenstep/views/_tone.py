from collections.abc import Sequence

import torch
from torch import Tensor

from eigenstep.views._images import check_length, chosen_rows, float_images, full_precision


@full_precision
def grayscale(images: Tensor, chosen: Tensor) -> Tensor:
    """Drop the colours of the chosen images: all three channels become 0.2989 R + 0.587 G + 0.114 B.

    Equals torchvision's `rgb_to_grayscale(..., num_output_channels=3)`.

    Args:
        images: (B, 3, H, W), uint8 or floats in [0, 1].
        chosen: (B,) bool.

    Returns:
        (B, 3, H, W) float32; the other images are unchanged.

    Raises:
        ValueError: wrong images, or not one entry of `chosen` for each.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> grayscale(red, torch.tensor([True])).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    check_length("chosen", chosen, images)
    return grayscale_(float_images(images).clone(), chosen)


def grayscale_(images: Tensor, chosen: Tensor) -> Tensor:
    """`grayscale` of checked float32 images, in place."""
    rows = chosen_rows(chosen, images)
    if len(rows):
        grey = luma(images.flatten(2).index_select(0, rows)).view(-1, 1, *images.shape[2:])
        images.index_copy_(0, rows, grey.expand(-1, 3, -1, -1))
    return images


def luma(pixels: Tensor) -> Tensor:
    """(n, 3, pixels) -> (n, 1, pixels): ITU-R 601 luma with torchvision's coefficients."""
    weights = torch.tensor([0.2989, 0.587, 0.114]).to(pixels.device, non_blocking=True)
    return torch.bmm(weights.expand(len(pixels), 1, 3), pixels)


@full_precision
def solarize(images: Tensor, chosen: Tensor, threshold: float = 0.5) -> Tensor:
    """Invert the bright values of the chosen images: x becomes 1 - x where x >= threshold.

    Equals torchvision's `solarize`.

    Args:
        images: (B, 3, H, W), uint8 or floats in [0, 1].
        chosen: (B,) bool.
        threshold: in [0, 1].

    Returns:
        (B, 3, H, W) float32; the other images are unchanged.

    Raises:
        ValueError: wrong images, not one entry of `chosen` for each, a threshold outside [0, 1].

    >>> pixel = torch.tensor([0.1, 0.5, 0.75]).view(1, 3, 1, 1)
    >>> solarize(pixel, torch.tensor([True])).flatten()
    tensor([0.1000, 0.5000, 0.2500])
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: expected a number in [0, 1], got {threshold}")
    check_length("chosen", chosen, images)
    return solarize_(float_images(images).clone(), chosen, threshold)


def solarize_(images: Tensor, chosen: Tensor, threshold: float) -> Tensor:
    """`solarize` of checked float32 images, in place."""
    rows = chosen_rows(chosen, images)
    if len(rows):
        bright = images.index_select(0, rows)
        # |x - [x >= threshold]| is 1 - x where x is bright and x elsewhere, without a slow masked copy.
        images.index_copy_(0, rows, bright.sub_((bright >= threshold).float()).abs_())
    return images


@full_precision
def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images - mean) / std for each channel, as torchvision's `normalize`.

    Args:
        images: (B, 3, H, W), uint8 or floats in [0, 1].
        mean: of red, green, blue.
        std: of red, green, blue, positive.

    Returns:
        (B, 3, H, W) float32.

    Raises:
        ValueError: wrong images, or not three values.

    >>> normalize(torch.ones(1, 3, 1, 1), (0.5, 0.5, 0.5), (0.5, 0.25, 0.5)).flatten()
    tensor([1., 2., 1.])
    """
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ValueError(f"expected mean and positive std of three channels, got mean {mean}, std {std}")
    return normalize_(float_images(images).clone(), mean, std)


def normalize_(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """`normalize` of checked float32 images, in place."""
    centre, spread = torch.tensor([mean, std]).to(images.device, non_blocking=True).view(2, 3, 1, 1)
    return images.sub_(centre).div_(spread)
