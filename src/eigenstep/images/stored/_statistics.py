"""Mean and standard deviation of each channel of stored images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenstep.images.stored._scale import TOPS

# Images that are summed at once.
BLOCK = 64


@dataclass(frozen=True)
class Statistics:
    """Of the values of each channel, in [0, 1].

    Attributes
    ----------
    mean, std : NDArray[np.float64]
        (C,); the standard deviation is that of all values, which is 0 where they are equal.
    count : int
        How many images they are of.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    count: int


def channel_statistics(blocks: Iterable[np.ndarray]) -> Statistics:
    """Of stored images (n, C, S, S), block by block, in float64.

    Sums of squares are of differences from the first block's mean, so that they lose no digits.

    Raises
    ------
    ValueError
        If there are no images.

    Examples
    --------
    >>> found = channel_statistics([np.array([[[[0, 255]]]], np.uint8)])
    >>> found.mean.tolist(), found.std.tolist(), found.count
    ([0.5], [0.5], 1)
    """
    centre, first, second, values, images = None, 0.0, 0.0, 0, 0
    for whole in blocks:
        for start in range(0, len(whole), BLOCK):
            block = whole[start : start + BLOCK]
            scaled = block.astype(np.float64) / TOPS[block.dtype.name]
            if centre is None:
                centre = scaled.mean(axis=(0, 2, 3))
            away = scaled - centre[:, None, None]
            first = first + away.sum(axis=(0, 2, 3))
            second = second + np.square(away, out=away).sum(axis=(0, 2, 3))
            values += scaled[:, 0].size
            images += len(block)
    if centre is None:
        raise ValueError("expected at least one image, got none")
    shift = first / values
    return Statistics(centre + shift, np.sqrt(np.maximum(second / values - shift**2, 0)), images)
