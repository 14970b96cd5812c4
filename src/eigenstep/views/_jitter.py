"""Changes of brightness, contrast, saturation and hue, in any order for each image."""

import math

import torch
from torch import Tensor

from eigenstep.views._color import luma
from eigenstep.views._images import check_color, check_length, float_images, full_precision

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)


@full_precision
def color_jitter(
    images: Tensor, factors: Tensor, order: Tensor, channel_factors: Tensor | None = None
) -> Tensor:
    """Adjust brightness, contrast, saturation and hue of each image, in the order each image asks for.

    Equals torchvision's `adjust_brightness`, `adjust_contrast`, `adjust_saturation` and `adjust_hue`
    applied one after another. With g the grey value of a pixel (see `grayscale`) and mean(g) its mean over
    the image, a factor f changes

        brightness   x <- clamp(f x, 0, 1)
        contrast     x <- clamp(f x + (1 - f) mean(g), 0, 1)
        saturation   x <- clamp(f x + (1 - f) g, 0, 1)
        hue          the hue of x in HSV, by f of the colour circle

    An image whose factors are all neutral (1, 1, 1, 0) comes back bit for bit. Images of other than three
    channels have no colours, only brightness and contrast: for them mean(g) is the mean over all channels
    and pixels, as torchvision takes it of one channel. With factors of their own, channels are images of one
    channel each, and their contrast is about their own mean.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W), uint8, uint16 or floats in [0, 1].
    factors : Tensor
        (B, 4), for brightness, contrast, saturation (at least 0) and hue (in [-0.5, 0.5]).
    order : Tensor
        (B, 4), each row a permutation of 0 (brightness), 1 (contrast), 2 (saturation), 3 (hue), first
        operation first, as torchvision's `ColorJitter.get_params` numbers them.
    channel_factors : Tensor | None
        (B, C, 2), by which brightness and contrast of each channel are multiplied on top, at least 0.

    Returns
    -------
    Tensor
        (B, C, H, W) float32 in [0, 1].

    Raises
    ------
    ValueError
        Wrong images, not one row of parameters for each, a factor out of its range, an order that is not a
        permutation, another saturation or hue where there are not three channels.

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
    if channel_factors is not None:
        check_length("channel_factors", channel_factors, images)
        shape, expected = tuple(channel_factors.shape[1:]), (images.shape[1], 2)
        if shape != expected or not bool(((channel_factors >= 0) & (channel_factors < math.inf)).all()):
            raise ValueError(f"channel_factors: expected numbers of at least 0 in shape (B, *{expected})")
    check_uncolored(images, factors)
    arrangement = jitter_arrangement(factors, order, channel_factors)
    there, back = (rows.to(images.device) for rows in (arrangement, arrangement.argsort()))
    views = images.index_select(0, there)
    each = None if channel_factors is None else channel_factors[arrangement]
    color_jitter_(views, factors[arrangement], order[arrangement], each)
    return views.index_select(0, back)


def check_uncolored(images: Tensor, factors: Tensor) -> None:
    """Refuse a change of saturation or hue where there are not three channels."""
    if images.shape[1] != 3 and bool((factors[:, _SATURATION:] != factors.new_tensor([1.0, 0.0])).any()):
        check_color(images)


def jitter_arrangement(factors: Tensor, order: Tensor, channel_factors: Tensor | None = None) -> Tensor:
    """(B,) the rows of a batch in the sequence that `color_jitter_` needs.

    All images turn their hue together. Those that turn it last come first and those with neutral factors come
    last, so that the images which have a k-th operation before the hue, or after it, are each one slice.
    """
    return _hue_position(factors, order, channel_factors).argsort(descending=True)


def color_jitter_(
    images: Tensor, factors: Tensor, order: Tensor, channel_factors: Tensor | None = None
) -> Tensor:
    """`color_jitter` of checked float32 images in the sequence of `jitter_arrangement`, in place."""
    position = _hue_position(factors, order, channel_factors)
    reaches = [int((position >= k).sum()) for k in range(4)]
    if reaches[0] == 0:
        return images
    furthest = float(factors[:, _HUE].abs().max())
    factors, order = (values.to(images.device, non_blocking=True) for values in (factors, order))
    if channel_factors is not None:
        channel_factors = channel_factors.to(images.device, non_blocking=True)
    pixels = images.view(*images.shape[:2], -1)
    if images.shape[1] != 3:
        _change_levels_(pixels[: reaches[0]], factors, order, channel_factors)
        return images
    blends, by_channel = _blends(factors, order, channel_factors), channel_factors is not None
    for k in range(3):
        _blend_(pixels, blends[k], slice(0, reaches[k + 1]), by_channel)
    if furthest > 0:
        _turn_hue_(pixels[: reaches[0]], factors[: reaches[0], _HUE], far=furthest > 1 / 3)
    for k in range(1, 4):
        _blend_(pixels, blends[k], slice(reaches[k], reaches[0]), by_channel)
    return images


def _hue_position(factors: Tensor, order: Tensor, channel_factors: Tensor | None) -> Tensor:
    """(B,) when each image turns its hue, 0 to 3; -1 for images with neutral factors."""
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0], device=factors.device)
    changed = (factors != neutral).any(1)
    if channel_factors is not None:
        changed = changed | (channel_factors != 1).flatten(1).any(1)
    return (order == _HUE).byte().argmax(1).where(changed, -1)


def _change_levels_(pixels: Tensor, factors: Tensor, order: Tensor, channel_factors: Tensor | None) -> None:
    """Brightness and contrast of (n, C, pixels) in each image's order, in place, for the first n rows."""
    factors, order = factors[: len(pixels)], order[: len(pixels)]
    levels = factors[:, None, :_SATURATION]  # (n, 1 or C, 2)
    if channel_factors is not None:
        levels = levels * channel_factors[: len(pixels)]
    brightness, contrast = levels.unsqueeze(2).unbind(3)
    place = order.argsort(1)
    contrast_first = (place[:, _CONTRAST] < place[:, _BRIGHTNESS])[:, None, None]
    for is_contrast in (contrast_first, ~contrast_first):
        mean = pixels.mean(2, keepdim=True)
        if channel_factors is None:
            mean = mean.mean(1, keepdim=True)
        pixels.lerp_(mean.mul_(is_contrast), 1 - contrast.where(is_contrast, brightness)).clamp_(0, 1)


def _blends(factors: Tensor, order: Tensor, channel_factors: Tensor | None) -> list[tuple[Tensor, ...]]:
    """What each image is blended with at each place in the order.

    The shares of grey and of mean grey in it, (B, 1, 1), and its weight, (B, 1 or 3, 1).
    """
    own = factors.gather(1, order)[:, None]
    if channel_factors is not None:
        others = channel_factors.new_ones(len(factors), 3, 2)
        own = own * torch.cat([channel_factors, others], 2).gather(2, order[:, None].expand(-1, 3, -1))
    shares = torch.stack([order == _SATURATION, order == _CONTRAST]).to(own)[:, :, None, None]
    weights = 1 - own
    return [(*shares[..., k].unbind(), weights[..., k, None].contiguous()) for k in range(4)]


def _blend_(pixels: Tensor, blend: tuple[Tensor, ...], rows: slice, by_channel: bool) -> None:
    """Brightness, contrast or saturation of some rows of (B, 3, pixels), in place."""
    if rows.start == rows.stop:
        return
    pixels, (grey_share, mean_share, weight) = pixels[rows], (part[rows] for part in blend)
    other = luma(pixels)
    mean = pixels.mean(2, keepdim=True) if by_channel else other.mean(2, keepdim=True)
    mean.mul_(mean_share)
    other.mul_(grey_share)
    other = other + mean if by_channel else other.add_(mean)
    pixels.lerp_(other.expand_as(pixels), weight).clamp_(0, 1)


def _turn_hue_(pixels: Tensor, turns: Tensor, far: bool) -> None:
    """Turn the HSV hue of (n, 3, pixels), in place, without branches and divisions.

    Let m and M be a colour's lowest and highest value, c = M - m its chroma and h its hue in sixths of a
    turn from red, |h| <= 3. Then c |h| = c + g + b - r - m, and h has the sign of g - b. With the distance
    d(u) from u to the nearest multiple of 6, the turned colour's red is m + 2c - c d(h), kept within [m, M];
    green and blue have d(h - 2) and d(h + 2). For |h| <= 5, which turns by at most a third leave, these are

        3 - d(h) = ||h| - 3|,  d(h - 2) = ||h + 1| - 3|,  d(h + 2) = ||h - 1| - 3|.

    `far`: some turns exceed a third. These begin with half a turn, which takes 3 off |h| and turns its sign.
    """
    red, green, blue = pixels.unbind(1)
    lowest, highest = torch.minimum(red, green), torch.maximum(red, green)
    torch.minimum(lowest, blue, out=lowest)
    torch.maximum(highest, blue, out=highest)
    chroma = highest - lowest
    base = chroma - lowest
    hue = (green + blue).sub_(red).add_(base).copysign_(green.sub_(blue))
    if far:
        beyond = (turns.abs() > 1 / 3).to(turns)
        hue.addcmul_(chroma.copysign(hue), -3 * beyond[:, None])
        turns = turns - 0.5 * beyond.copysign(turns)
    hue.addcmul_(chroma, 6 * turns[:, None])

    others, chroma3 = pixels[:, 1:], 3 * chroma
    torch.abs(hue, out=red).sub_(chroma3).abs_().sub_(base)
    torch.clamp(red, lowest, highest, out=red)
    torch.add(hue, chroma, out=green)
    torch.sub(hue, chroma, out=blue)
    others.abs_().sub_(chroma3[:, None]).abs_()
    torch.sub(chroma.add_(highest)[:, None], others, out=others)
    torch.clamp(others, lowest[:, None], highest[:, None], out=others)
