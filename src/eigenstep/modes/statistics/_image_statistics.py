"""All statistics of all images, a block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.modes.statistics._block import Block
from eigenstep.modes.statistics._colours import colours
from eigenstep.modes.statistics._edges import edges
from eigenstep.modes.statistics._frequencies import frequencies
from eigenstep.modes.statistics._jpeg import jpeg
from eigenstep.modes.statistics._layout import layout
from eigenstep.modes.statistics._levels import levels
from eigenstep.modes.statistics._symmetry import symmetry
from eigenstep.views import float_images

# One file a group; a statistic of one's own goes into one of them, or beside them and here.
GROUPS = (levels, colours, layout, edges, frequencies, symmetry, jpeg)
LEAST_SIDE = 4


@dataclass(frozen=True)
class Statistics:
    """What a person can say of each image in numbers.

    Attributes
    ----------
    names : tuple[str, ...]
        Of s statistics.
    values : NDArray[np.float64]
        (n, s).
    left_out : dict[str, str]
        Those that images of this kind have not, and why.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    left_out: dict[str, str]


def image_statistics(
    images: Any, *, block: int = 512, value_range: tuple[float, float] | None = None
) -> Statistics:
    """Statistics of images: levels, colours, layout, edges, spatial frequencies, symmetry, JPEG size.

    Three channels are taken for red, green and blue. Other numbers of channels have those statistics that
    exist for them; grey is the mean of the channels. "a-b brightness" is that of a less that of b.

    Parameters
    ----------
    images : Any
        (n, C, H, W) tensor or array, uint8, uint16 or floats, at least 4 x 4 pixels.
    block : int
        Images that are converted at a time.
    value_range : tuple[float, float] | None
        The darkest and the brightest value there can be. Default: of whole numbers those of their type; of
        floats 0 and 1 if all lie there, else their own smallest and largest.

    Raises
    ------
    ValueError
        Shapes, types or ranges other than these; pixels that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> found = image_statistics(np.full((2, 1, 8, 8), 51, dtype=np.uint8))
    >>> found.names[0], found.values[0, 0].round(3)
    ('brightness', np.float64(0.2))
    >>> found.left_out["chroma"]
    'needs red, green and blue, and the images have 1 channel'
    """
    images = _checked(images)
    if block < 1:
        raise ValueError(f"block: expected at least 1, got {block}")
    scale = _scale(images, block, value_range)
    columns: dict[str, list[Tensor]] = {}
    left_out: dict[str, str] = {}
    with torch.no_grad():
        for part in images.split(block):
            colour = float_images(part)
            if scale is not None:
                colour = (colour - scale[0]) / (scale[1] - scale[0])
            if not torch.isfinite(colour).all():
                raise ValueError("images: expected finite pixels, got NaN or infinity; leave such images out")
            seen = Block(colour)
            for group in GROUPS:
                for name, found in group(seen).items():
                    if isinstance(found, str):
                        left_out[name] = found
                    else:
                        columns.setdefault(name, []).append(found.cpu())
    values = np.stack([torch.cat(parts).double().numpy() for parts in columns.values()], axis=1)
    return Statistics(tuple(columns), values, left_out)


def _checked(images: Any) -> Tensor:
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    if tensor.ndim != 4 or not tensor.numel() or min(tensor.shape[2:]) < LEAST_SIDE:
        raise ValueError(
            f"images: expected (n, C, H, W) of at least {LEAST_SIDE} x {LEAST_SIDE} pixels, got shape"
            f" {tuple(tensor.shape)}"
        )
    if tensor.dtype not in (torch.uint8, torch.uint16) and not tensor.is_floating_point():
        raise ValueError(f"images: expected uint8, uint16 or floats, got {tensor.dtype}; convert them first")
    return tensor


def _scale(images: Tensor, block: int, value_range: tuple[float, float] | None) -> tuple[float, float] | None:
    """The values that become 0 and 1 after `float_images`; None where these are 0 and 1 already."""
    if value_range is not None:
        low, high = value_range
        if not low < high:
            raise ValueError(f"value_range: expected (darkest, brightest), got {value_range}")
        largest = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(images.dtype, 1.0)
        return low / largest, high / largest
    if not images.is_floating_point():
        return None
    ends = [torch.stack(part.float().aminmax()) for part in images.split(block)]
    low, high = float(torch.stack(ends)[:, 0].min()), float(torch.stack(ends)[:, 1].max())
    if (low >= 0 and high <= 1) or not low < high:
        return None
    return low, high
