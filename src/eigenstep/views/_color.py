"""Changes of colours, pixel by pixel: grey, solarised, normalised, jittered."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from eigenstep.views._images import check_length, chosen_rows, float_images, full_precision

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)


@full_precision
def color_jitter(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Adjust brightness, contrast, saturation and hue of each image, in the order each image asks for.

    Equals torchvision's `adjust_brightness`, `adjust_contrast`, `adjust_saturation` and `adjust_hue`
    applied one after another. With g the grey value of a pixel (see `grayscale`) and mean(g) its mean over
    the image, a factor f changes

        brightness   x <- clamp(f x, 0, 1)
        contrast     x <- clamp(f x + (1 - f) mean(g), 0, 1)
        saturation   x <- clamp(f x + (1 - f) g, 0, 1)
        hue          the hue of x in HSV, by f of the colour circle

    An image whose factors are all neutral (1, 1, 1, 0) comes back bit for bit.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), uint8 or floats in [0, 1].
    factors : Tensor
        (B, 4), for brightness, contrast, saturation (at least 0) and hue (in [-0.5, 0.5]).
    order : Tensor
        (B, 4), each row a permutation of 0 (brightness), 1 (contrast), 2 (saturation), 3 (hue), first
        operation first, as torchvision's `ColorJitter.get_params` numbers them.

    Returns
    -------
    Tensor
        (B, 3, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images, not one row of parameters for each, a factor out of its range, an order that is not a
        permutation.

    Examples
    --------
    >>> pixel = torch.tensor([0.6, 0.2, 0.2]).view(1, 3, 1, 1)
    >>> third_of_a_turn = torch.tensor([[1.5, 1.0, 1.0, 1 / 3]])
    >>> color_jitter(pixel, third_of_a_turn, torch.tensor([[0, 1, 2, 3]])).flatten()
    tensor([0.3000, 0.9000, 0.3000])
    """
    images = float_images(images)
    check_length("factors", factors, images)
    check_length("order", order, images)
    if factors.shape[1:] != (4,) or not bool(
        ((factors[:, :_HUE] >= 0) & (factors[:, :_HUE] < math.inf)).all()
    ):
        raise ValueError("factors: expected (B, 4) with brightness, contrast and saturation of at least 0")
    if not bool((factors[:, _HUE].abs() <= 0.5).all()):
        raise ValueError("factors: expected hue shifts in [-0.5, 0.5] turns")
    if not torch.equal(order.sort(1).values, torch.arange(4, device=order.device).expand(len(images), 4)):
        raise ValueError("order: expected a permutation of (0, 1, 2, 3) for each image, shape (B, 4)")
    arrangement = jitter_arrangement(factors, order)
    there, back = (rows.to(images.device) for rows in (arrangement, arrangement.argsort()))
    views = images.index_select(0, there)
    color_jitter_(views, factors[arrangement], order[arrangement])
    return views.index_select(0, back)


def jitter_arrangement(factors: Tensor, order: Tensor) -> Tensor:
    """(B,) the rows of a batch in the sequence that `color_jitter_` needs.

    All images turn their hue together. Those that turn it last come first and those with neutral factors come
    last, so that the images which have a k-th operation before the hue, or after it, are each one slice.
    """
    return _hue_position(factors, order).argsort(descending=True)


def color_jitter_(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """`color_jitter` of checked float32 images in the sequence of `jitter_arrangement`, in place."""
    position = _hue_position(factors, order)
    reaches = [int((position >= k).sum()) for k in range(4)]
    if reaches[0] == 0:
        return images
    turned = bool(factors[:, _HUE].any())
    factors, order = (values.to(images.device, non_blocking=True) for values in (factors, order))
    pixels = images.view(len(images), 3, -1)
    blends = _blends(factors, order)
    for k in range(3):
        _blend_(pixels, blends[k], slice(0, reaches[k + 1]))
    if turned:
        _turn_hue_(pixels[: reaches[0]], factors[: reaches[0], _HUE])
    for k in range(1, 4):
        _blend_(pixels, blends[k], slice(reaches[k], reaches[0]))
    return images


def _hue_position(factors: Tensor, order: Tensor) -> Tensor:
    """(B,) when each image turns its hue, 0 to 3; -1 for images with neutral factors."""
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0], device=factors.device)
    return (order == _HUE).byte().argmax(1).where((factors != neutral).any(1), -1)


def _blends(factors: Tensor, order: Tensor) -> Tensor:
    """What each image is blended with at each place in the order, (4, 3, B, 1, 1).

    The shares of grey and of mean grey in it, and its weight.
    """
    ordered = torch.stack([order == _SATURATION, order == _CONTRAST, 1 - factors.gather(1, order)])
    return ordered.permute(2, 0, 1)[..., None, None].contiguous()


def _blend_(pixels: Tensor, blend: Tensor, rows: slice) -> None:
    """Brightness, contrast or saturation of some rows of (B, 3, pixels), in place."""
    if rows.start == rows.stop:
        return
    pixels, (grey_share, mean_share, weight) = pixels[rows], blend[:, rows].unbind()
    other = luma(pixels)
    mean = other.mean(2, keepdim=True)
    other.mul_(grey_share).add_(mean.mul_(mean_share))
    pixels.lerp_(other.expand_as(pixels), weight).clamp_(0, 1)


def _turn_hue_(pixels: Tensor, turns: Tensor) -> None:
    """Turn the HSV hue of (n, 3, pixels), in place and without branches.

    Let m be a colour's lowest value, c its chroma and h its hue in sixths of a turn from red, |h| <= 3. With
    the distance d(u) from u to the nearest multiple of 6 and t = clamp(2 - d, 0, 1), its red, green and blue
    are m + c t(h), m + c t(h - 2) and m + c t(h + 2). Conversely |h| = 1 + (g + b - r - m) / c, and h has the
    sign of g - b.
    """
    red, green, blue = pixels.unbind(1)
    lowest = torch.minimum(red, green)
    torch.minimum(lowest, blue, out=lowest)
    chroma = torch.maximum(red, green)
    torch.maximum(chroma, blue, out=chroma)
    chroma.sub_(lowest)
    hue = torch.add(green, blue).sub_(red).sub_(lowest)
    # Greys have no hue, and none is needed: it is multiplied by their chroma, zero.
    hue.div_(chroma.clamp(min=torch.finfo(torch.float32).tiny)).add_(1)
    hue.copysign_(green - blue).add_(6 * turns[:, None])
    hue.sub_((hue / 6).round_().mul_(6))

    offsets = torch.tensor([[0.0], [-2.0], [2.0]]).to(pixels.device, non_blocking=True)
    torch.add(hue[:, None], offsets, out=pixels)
    # For |u| <= 6 the distance is d = 3 - ||u| - 3|, so that t = clamp(||u| - 3|, 1, 2) - 1.
    pixels.abs_().sub_(3).abs_().clamp_(1, 2)
    pixels.mul_(chroma[:, None]).add_(lowest.sub_(chroma)[:, None])


@full_precision
def grayscale(images: Tensor, chosen: Tensor) -> Tensor:
    """Drop the colours of the chosen images: all three channels become 0.2989 R + 0.587 G + 0.114 B.

    Equals torchvision's `rgb_to_grayscale(..., num_output_channels=3)`.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), uint8 or floats in [0, 1].
    chosen : Tensor
        (B,) bool.

    Returns
    -------
    Tensor
        (B, 3, H, W) float32; the other images are unchanged.

    Raises
    ------
    ValueError
        Wrong images, or not one entry of `chosen` for each.

    Examples
    --------
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

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), uint8 or floats in [0, 1].
    chosen : Tensor
        (B,) bool.
    threshold : float
        In [0, 1].

    Returns
    -------
    Tensor
        (B, 3, H, W) float32; the other images are unchanged.

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
def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images - mean) / std for each channel, as torchvision's `normalize`.

    Parameters
    ----------
    images : Tensor
        (B, 3, H, W), uint8 or floats in [0, 1].
    mean : Sequence[float]
        Of red, green, blue.
    std : Sequence[float]
        Of red, green, blue, positive.

    Returns
    -------
    Tensor
        (B, 3, H, W) float32.

    Raises
    ------
    ValueError
        Wrong images, or not three values.

    Examples
    --------
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
