"""Images of any number of channels and any stored type as pictures to look at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Deep images are shown with these percentiles of each channel as black and white.
DARK, BRIGHT = 1.0, 99.0


def pictures(images: NDArray[Any], show: Sequence[int] = ()) -> NDArray[np.uint8]:
    """A batch of images as a person of their field looks at them: uint8 (n, H, W, 3).

    Three channels are red, green and blue, one is grey, and of two the first is red and the second cyan. Of
    more the first three are shown unless `show` says which. 8-bit images are shown as they are; of all other
    types each channel is stretched from the 1st to the 99th percentile of the whole batch, so that images can
    be compared, and values that are no numbers are black.

    Parameters
    ----------
    images : NDArray[Any]
        (n, H, W, C) of whole numbers or floats.
    show : Sequence[int]
        The channels shown as red, green and blue, as red and cyan, or as grey, counted from 1.

    Raises
    ------
    ValueError
        For an array of another form, and for channels that are not there.

    Examples
    --------
    >>> deep = np.linspace(0, 65535, 2 * 4 * 4 * 5).reshape(2, 4, 4, 5).astype(np.uint16)
    >>> shown = pictures(deep, (5, 2, 1))
    >>> shown.shape, shown.dtype, int(shown.min()), int(shown.max())
    ((2, 4, 4, 3), dtype('uint8'), 0, 255)
    """
    if images.ndim != 4 or not images.size or images.dtype.kind not in "uif":
        raise ValueError(
            f"expected images as numbers (n, height, width, channels), got {images.dtype} {images.shape}"
        )
    check_show(show, images.shape[3])
    chosen = [place - 1 for place in show] or list(range(min(images.shape[3], 3)))
    if images.dtype != np.uint8:
        levels = np.stack([_stretched(images[..., place]) for place in chosen], axis=3)
    elif chosen == list(range(images.shape[3])):
        levels = images
    else:
        levels = images[..., chosen]
    if len(chosen) == 3:
        return levels
    return levels[..., [0, 0, 0] if len(chosen) == 1 else [0, 1, 1]]


def check_show(show: Sequence[int], channels: int) -> None:
    """See that these channels can be shown of so many.

    Raises
    ------
    ValueError
        In one line that names the option.

    Examples
    --------
    >>> check_show([3, 2, 1], 12)
    """
    if len(show) > 3 or not all(1 <= place <= channels for place in show):
        raise ValueError(
            f"images.show: expected at most three of the channels 1 to {channels}, got"
            f" {' '.join(map(str, show))}; set --images.show"
        )


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """One channel of a batch, from its own dark to its own bright."""
    floats = values.astype(np.float64)
    finite = floats[np.isfinite(floats)]
    dark, bright = np.percentile(finite, [DARK, BRIGHT]) if finite.size else (0.0, 1.0)
    shares = np.nan_to_num((floats - dark) / max(bright - dark, np.finfo(np.float64).tiny), posinf=1.0)
    stretched: NDArray[np.uint8] = np.round(255 * shares.clip(0, 1)).astype(np.uint8)
    return stretched
