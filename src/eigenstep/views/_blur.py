import math

import torch
from torch import Tensor

from eigenstep.views._images import check_length, chosen_rows, float_images, full_precision


@full_precision
def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Convolve each image with a Gaussian of its own width, reflecting the image at its borders.

    Equals torchvision's `gaussian_blur`: the kernel exp(-k^2 / (2 sigma^2)) over `kernel_size` pixels,
    normalised to sum 1. It is separable, so each blurred image is one product B_y X B_x^T for every channel.

    Args:
        images: (B, 3, H, W), uint8 or floats in [0, 1].
        sigma: (B,) standard deviations in pixels; images with 0 are unchanged.
        kernel_size: odd, and less than twice the shorter side.

    Returns:
        (B, 3, H, W) float32 in [0, 1].

    Raises:
        ValueError: wrong images, not one non-negative sigma for each, an even or too large kernel.

    >>> spot = torch.zeros(1, 3, 5, 5)
    >>> spot[:, :, 2, 2] = 1
    >>> gaussian_blur(spot, torch.tensor([1.0]), kernel_size=3)[0, 0, 2]
    tensor([0.0000, 0.1238, 0.2042, 0.1238, 0.0000])
    """
    images = float_images(images)
    check_length("sigma", sigma, images)
    height, width = images.shape[2:]
    if kernel_size < 1 or kernel_size % 2 == 0 or kernel_size >= 2 * min(height, width):
        raise ValueError(
            f"kernel_size: expected an odd number below {2 * min(height, width)} "
            f"for {height}×{width} images, got {kernel_size}"
        )
    allowed = (sigma >= 0) & (sigma < math.inf)
    if not bool(allowed.all()):
        raise ValueError(f"sigma: expected finite numbers of at least 0, got {sigma[~allowed][0].item():g}")
    return gaussian_blur_(images.clone(), sigma, kernel_size)


def gaussian_blur_(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """`gaussian_blur` of checked float32 images, in place."""
    rows = chosen_rows(sigma != 0, images)
    if len(rows) == 0:
        return images
    _, channels, height, width = images.shape
    widths = sigma.to(images.device, torch.float32, non_blocking=True)[rows]
    across = _blur_matrices(widths, kernel_size, width)
    down = across if height == width else _blur_matrices(widths, kernel_size, height)
    chosen = images.index_select(0, rows)
    lines = torch.bmm(chosen.view(len(rows), channels * height, width), across).view_as(chosen)
    for channel in range(channels):
        torch.bmm(down.mT, lines[:, channel], out=chosen[:, channel])
    return images.index_copy_(0, rows, chosen.clamp_(0, 1))


def _blur_matrices(sigma: Tensor, kernel_size: int, extent: int) -> Tensor:
    """(B, extent, extent): column i holds the weights of the pixels of one axis in output pixel i."""
    taps = torch.arange(kernel_size, device=sigma.device) - kernel_size // 2
    kernels = torch.softmax(-0.5 * (taps / sigma[:, None]).square(), dim=1)
    # Narrow Gaussians have denormal tails, on which CPUs multiply a hundred times slower.
    kernels.mul_(kernels > 1e-20)
    outputs = torch.arange(extent, device=sigma.device)
    # Reflection without repeating the border pixel: -1 -> 1, extent -> extent - 2.
    source = (outputs + taps[:, None]).abs()
    source = (extent - 1) - (extent - 1 - source).abs()
    placement = torch.zeros(kernel_size, extent, extent, device=sigma.device)
    placement.scatter_(1, source[:, None], 1.0)
    return (kernels @ placement.flatten(1)).view(-1, extent, extent)
