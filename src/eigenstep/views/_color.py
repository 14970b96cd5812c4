"""Changes of values, pixel by pixel: grey, solarised, noisy, normalised."""

from collections.abc import Sequence

import torch
from torch import Tensor

from eigenstep.views._hashed import hashed_normals
from eigenstep.views._images import check_color, check_length, chosen_rows, float_images, full_precision


@full_precision
def grayscale(images: Tensor, chosen: Tensor) -> Tensor:
    """Drop the colours of the chosen images: all three channels become 0.2989 R + 0.587 G + 0.114 B.

    Equals torchvision's `rgb_to_grayscale(..., num_output_channels=3)`.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), uint8, uint16 or floats in [0, 1].
    chosen : Tensor
        (B,) bool.

    Returns
    -------
    Tensor
        (B, 3, H, W) float32; the other images are unchanged.

    Raises
    ------
    ValueError
        Wrong images or such of other than three channels, or not one entry of `chosen` for each.

    Examples
    --------
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> grayscale(red, torch.tensor([True])).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    check_color(images)
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

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    chosen : Tensor
        (B,) bool.
    threshold : float
        In [0, 1].

    Returns
    -------
    Tensor
        (B, C, H, W) float32; the other images are unchanged.

    Raises
    ------
    ValueError
        Wrong images, not one entry of `chosen` for each, a threshold outside [0, 1].

    Examples
    --------
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
def gaussian_noise(images: Tensor, std: Tensor, seeds: Tensor) -> Tensor:
    """Add independent normal noise to every value of each image, and keep it within [0, 1].

    As torchvision's `gaussian_noise` with clipping, but for where its numbers come from: they are a function
    of each image's seed, the same on every device up to rounding, whatever else is in the batch.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    std : Tensor
        (B,) standard deviations, at least 0; images with 0 are unchanged.
    seeds : Tensor
        (B,) int64.

    Returns
    -------
    Tensor
        (B, C, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images, not one deviation and one seed for each, a negative deviation.

    Examples
    --------
    >>> grey = torch.full((1, 1, 100, 100), 0.5)
    >>> noisy = gaussian_noise(grey, torch.tensor([0.1]), torch.tensor([7]))
    >>> bool((noisy.std() - 0.1).abs() < 0.003)
    True
    """
    check_length("std", std, images)
    check_length("seeds", seeds, images)
    if not bool(((std >= 0) & std.isfinite()).all()):
        raise ValueError("std: expected finite numbers of at least 0")
    if seeds.dtype != torch.int64:
        raise ValueError(f"seeds: expected int64, got {seeds.dtype}")
    return gaussian_noise_(float_images(images).clone(), std, seeds)


def gaussian_noise_(images: Tensor, std: Tensor, seeds: Tensor) -> Tensor:
    """`gaussian_noise` of checked float32 images, in place."""
    rows = chosen_rows(std != 0, images)
    if len(rows):
        std, seeds = (values.to(images.device, non_blocking=True)[rows] for values in (std, seeds))
        noise = hashed_normals(seeds, images[0].numel()).mul_(std[:, None].float())
        noisy = images.index_select(0, rows)
        images.index_copy_(0, rows, noisy.add_(noise.view_as(noisy)).clamp_(0, 1))
    return images


@full_precision
def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images - mean) / std for each channel, as torchvision's `normalize`.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    mean : Sequence[float]
        Of each channel.
    std : Sequence[float]
        Of each channel, positive.

    Returns
    -------
    Tensor
        (B, C, H, W) float32.

    Raises
    ------
    ValueError
        Wrong images, or not one value for each channel.

    Examples
    --------
    >>> normalize(torch.ones(1, 3, 1, 1), (0.5, 0.5, 0.5), (0.5, 0.25, 0.5)).flatten()
    tensor([1., 2., 1.])
    """
    channels = images.shape[1]
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise ValueError(
            f"expected mean and positive std of each of {channels} channels, got mean {mean}, std {std}"
        )
    return normalize_(float_images(images).clone(), mean, std)


def normalize_(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """`normalize` of checked float32 images, in place."""
    centre, spread = torch.tensor([mean, std]).to(images.device, non_blocking=True).view(2, -1, 1, 1)
    return images.sub_(centre).div_(spread)
