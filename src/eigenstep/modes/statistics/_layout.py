"""Where in the image: above or below, left or right, in the middle or at the border."""

import torch
from torch import Tensor

from eigenstep.modes.statistics._block import Block, Found, share


def layout(block: Block) -> Found:
    """Differences between halves and between the middle and the border, and the place of what stands out.

    The middle is half as high and half as wide as the image. Place and extent are of the squared departure
    of grey from its mean: -1 at the left and at the bottom, 1 at the right and at the top.
    """
    found: Found = {f"{name} brightness": value for name, value in _differences(block.grey).items()}
    for name in ("red-cyan", "blue-yellow"):
        if block.has_colours:
            halves = _differences(block.opponents[name])
            found |= {f"{where} {name}": value for where, value in halves.items()}
        else:
            where = ("top-bottom", "left-right", "centre-border")
            found |= dict.fromkeys((f"{each} {name}" for each in where), block.no_colours)
    weight = block.departure.square()
    total = weight.sum(dim=(1, 2))
    height, width = weight.shape[1:]
    across, up = _axis(width).to(weight), -_axis(height).to(weight)
    x = share((weight * across).sum(dim=(1, 2)), total)
    y = share((weight * up[:, None]).sum(dim=(1, 2)), total)
    far = (across - x[:, None])[:, None, :].square() + (up - y[:, None])[:, :, None].square()
    found["horizontal place"], found["vertical place"] = x, y
    found["extent"] = share((weight * far).sum(dim=(1, 2)), total).sqrt()
    return found


def _axis(length: int) -> Tensor:
    """The middles of pixels from -1 to 1."""
    return (2 * torch.arange(length) + 1) / length - 1


def _differences(values: Tensor) -> dict[str, Tensor]:
    height, width = values.shape[1:]
    half_h, half_w = height // 2, width // 2  # an odd line in the middle belongs to neither
    top, bottom = values[:, :half_h], values[:, height - half_h :]
    left, right = values[:, :, :half_w], values[:, :, width - half_w :]
    y, x = height // 4, width // 4
    middle = values[:, y : height - y, x : width - x]
    inside, pixels = middle.sum(dim=(1, 2)), middle[0].numel()
    outside = (values.sum(dim=(1, 2)) - inside) / (values[0].numel() - pixels)
    return {
        "top-bottom": top.mean(dim=(1, 2)) - bottom.mean(dim=(1, 2)),
        "left-right": left.mean(dim=(1, 2)) - right.mean(dim=(1, 2)),
        "centre-border": inside / pixels - outside,
    }
