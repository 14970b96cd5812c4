"""Cropping with resizing, blurring and turning: what moves pixels, or mixes them along either axis."""

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from eigenstep.views._images import check_length, chosen_rows, float_images, full_precision


@full_precision
def resized_crop(images: Tensor, boxes: Tensor, flip: Tensor, size: int) -> Tensor:
    """Crop one box from each image, resize it to size × size and flip some of them left to right.

    Equals torchvision's `resized_crop` with bilinear interpolation and `antialias=True` followed by
    `horizontal_flip`: the box is cut out first, so nothing outside of it is mixed in. Both steps are linear
    and separable: row i of the result mixes the rows of the box's n with the weights of a triangle of
    half-width max(n / size, 1) about n / size * (i + 1/2), normalised to sum 1, and columns likewise.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    boxes : Tensor
        (B, 4) integers, each (top, left, height, width) in pixels, as torchvision orders them.
    flip : Tensor
        (B,) bool.
    size : int
        Side of the result in pixels.

    Returns
    -------
    Tensor
        (B, C, size, size) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images, a box that leaves its image, `size` below 1.

    Examples
    --------
    >>> images = torch.arange(12.0).view(1, 3, 2, 2) / 12
    >>> views = resized_crop(images, torch.tensor([[0, 0, 2, 2]]), torch.tensor([True]), size=2)
    >>> torch.equal(views, images.flip(3))
    True
    """
    images = float_images(images)
    check_boxes(boxes, images)
    check_length("flip", flip, images)
    if size < 1:
        raise ValueError(f"size: expected at least 1 pixel, got {size}")
    views = images.new_empty(*images.shape[:2], size, size)
    resized_crop_into(views, images, *crop_taps(boxes, flip, size, images.device))
    return views


def crop_taps(boxes: Tensor, flip: Tensor, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which pixels of checked images `resized_crop` mixes, and how much each counts, on the images' device.

    Both (B, 2, size, K): for each of the `size` rows and columns of the view, at most K rows or columns.
    """
    # Counted where the boxes are, so that boxes on the CPU never wait for a GPU.
    longest = int(boxes[:, 2:].max())
    boxes, flip = (values.to(device, non_blocking=True) for values in (boxes, flip))
    start, length = boxes[:, :2, None], boxes[:, 2:, None]
    outputs = torch.arange(size, device=device).expand(len(boxes), size)
    outputs = torch.stack([outputs, outputs.where(~flip[:, None], size - 1 - outputs)], 1)
    scale = length / size
    reach = scale.clamp(min=1)
    centre = scale * (outputs + 0.5)
    taps = torch.arange(math.ceil(2 * max(longest / size, 1)), device=device).view(-1, 1, 1, 1)
    pixels = (centre - reach + 0.5).floor_().clamp_(min=0) + taps  # (K, B, 2, size)
    weights = (pixels + 0.5).sub_(centre).abs_().div_(-reach).add_(1).clamp_(min=0).mul_(pixels < length)
    weights.div_(weights.sum(0))
    # Taps beyond the end weigh nothing, but must name a pixel.
    sources = torch.minimum(pixels.long(), length - 1).add_(start)
    return sources.permute(1, 2, 3, 0).contiguous(), weights.permute(1, 2, 3, 0).contiguous()


def resized_crop_into(views: Tensor, images: Tensor, sources: Tensor, weights: Tensor) -> None:
    """`resized_crop` of checked float32 images by their `crop_taps`, written to `views`."""
    mixed = _mix_rows(images, sources[:, 0], weights[:, 0])
    mixed = _mix_rows(mixed.mT.contiguous(), sources[:, 1], weights[:, 1])
    # The weights of one pixel sum to 1 up to rounding, and rounding must not leave [0, 1].
    views.copy_(mixed.mT).clamp_(0, 1)


def _mix_rows(images: Tensor, sources: Tensor, weights: Tensor, which: Tensor | None = None) -> Tensor:
    """Weighted sums of the rows of pixels of each of n images, channel by channel.

    `images` is (B, C, H, W), contiguous, `which` (n,) says which of them (default: each); row s of the result
    (n, C, S, W) adds the rows `sources` (n or 1, S, K) with the `weights` (n, S, K).
    """
    channels, height, width = images.shape[1:]
    count, size, taps = weights.shape
    first = torch.arange(len(images) * channels, device=images.device).view(-1, channels) * height
    first = first if which is None else first[which]
    bags = (first[:, :, None, None] + sources[:, None]).view(-1, taps)
    weights = weights[:, None].expand(-1, channels, -1, -1).reshape(-1, taps)
    rows = embedding_bag(bags, images.view(-1, width), per_sample_weights=weights, mode="sum")
    return rows.view(count, channels, size, width)


@full_precision
def quarter_turns(images: Tensor, turns: Tensor) -> Tensor:
    """Turn each image by its number of right angles, against the clock.

    Equals torchvision's `rotate` by 90, 180 and 270 degrees.

    Parameters
    ----------
    images : Tensor
        (B, C, S, S), uint8, uint16 or floats in [0, 1].
    turns : Tensor
        (B,) integers, 0 to 3.

    Returns
    -------
    Tensor
        (B, C, S, S) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images or such that are not square, not one number of turns for each.

    Examples
    --------
    >>> quarter_turns(torch.arange(4.0).view(1, 1, 2, 2) / 4, torch.tensor([1])).flatten()
    tensor([0.2500, 0.7500, 0.0000, 0.5000])
    """
    check_length("turns", turns, images)
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"images: expected squares to turn, got shape {tuple(images.shape)}")
    if turns.is_floating_point() or not bool(((turns >= 0) & (turns <= 3)).all()):
        raise ValueError("turns: expected whole numbers of right angles, 0 to 3")
    return quarter_turns_(float_images(images).clone(), turns)


def quarter_turns_(images: Tensor, turns: Tensor) -> Tensor:
    """`quarter_turns` of checked float32 images, in place."""
    for quarters in (1, 2, 3):
        rows = chosen_rows(turns == quarters, images)
        if len(rows):
            images.index_copy_(0, rows, images.index_select(0, rows).rot90(quarters, (2, 3)))
    return images


def check_boxes(boxes: Tensor, images: Tensor) -> None:
    """Refuse boxes that are not integers (B, 4) inside the images."""
    check_length("boxes", boxes, images)
    height, width = images.shape[2:]
    if boxes.shape[1:] != (4,) or boxes.is_floating_point():
        raise ValueError(
            "boxes: expected integers (B, 4) of (top, left, height, width), "
            f"got {boxes.dtype} {tuple(boxes.shape)}"
        )
    top, left, box_height, box_width = boxes.unbind(1)
    outside = (torch.minimum(top, left) < 0) | (torch.minimum(box_height, box_width) < 1)
    outside |= (top + box_height > height) | (left + box_width > width)
    if bool(outside.any()):
        raise ValueError(
            f"boxes: expected (top, left, height, width) inside the {height}×{width} images, "
            f"got {boxes[outside][0].tolist()}"
        )


@full_precision
def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Convolve each image with a Gaussian of its own width, reflecting the image at its borders.

    Equals torchvision's `gaussian_blur`: the kernel exp(-k^2 / (2 sigma^2)) over `kernel_size` pixels,
    normalised to sum 1, along columns and then along rows.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    sigma : Tensor
        (B,) standard deviations in pixels; images with 0 are unchanged.
    kernel_size : int
        Odd, and less than twice the shorter side.

    Returns
    -------
    Tensor
        (B, C, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images, not one non-negative sigma for each, an even or too large kernel.

    Examples
    --------
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
    height, width = images.shape[2:]
    taps = torch.arange(kernel_size, device=images.device) - kernel_size // 2
    widths = sigma.to(images.device, torch.float32, non_blocking=True)[rows]
    kernels = torch.softmax(-0.5 * (taps / widths[:, None]).square(), dim=1)
    # Narrow Gaussians have denormal tails, on which CPUs multiply a hundred times slower.
    kernels.mul_(kernels > 1e-20)
    blurred = _mix_rows(images, _reflected(taps, height), kernels[:, None].expand(-1, height, -1), rows)
    across = kernels[:, None].expand(-1, width, -1)
    blurred = _mix_rows(blurred.mT.contiguous(), _reflected(taps, width), across)
    return images.index_copy_(0, rows, blurred.clamp_(0, 1).mT)


def _reflected(taps: Tensor, extent: int) -> Tensor:
    """(1, extent, K): the pixels `taps` (K,) away from each, without repeating the border: -1 becomes 1."""
    pixels = (torch.arange(extent, device=taps.device)[:, None] + taps).abs()
    return ((extent - 1) - (extent - 1 - pixels).abs())[None]
