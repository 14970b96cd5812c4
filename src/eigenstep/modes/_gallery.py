"""What modes look like: images at both ends and along them, and where in an image each one looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.images import pictures
from eigenstep.views import float_images

# Images at each end, and along.
EACH = 8
# Modes with a gallery.
MOST = 16
# Images that pictures are averaged over at a time.
BLOCK = 256


@dataclass(frozen=True, eq=False)
class ModeGallery:
    """Of one mode.

    Attributes
    ----------
    low, along, high : list[int]
        Rows among the images: the lowest values, evenly spaced ranks in between, the highest values.
    looks_at : NDArray[np.float64]
        (C, H, W), E[f(x) x] of centred images and the mode at variance 1: what the images gain with it.
    """

    low: list[int]
    along: list[int]
    high: list[int]
    looks_at: NDArray[np.float64]


def galleries(values: NDArray[np.float64], images: NDArray[Any], signs: Sequence[int]) -> list[ModeGallery]:
    """Galleries of the first modes.

    Parameters
    ----------
    values : NDArray[np.float64]
        (n, m) of the modes on the images.
    images : NDArray[Any]
        (n, C, H, W).
    signs : Sequence[int]
        (m,) -1 where a mode is to be turned round.

    Examples
    --------
    >>> dark_to_bright = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    >>> [one] = galleries(np.arange(40.0)[:, None], dark_to_bright, [1])
    >>> one.low[0], one.high[-1], bool((one.looks_at > 0).all())
    (0, 39, True)
    """
    count = min(MOST, values.shape[1])
    turned = values[:, :count] * np.array(signs[:count])
    spread = turned.std(axis=0)
    standard = (turned - turned.mean(axis=0)) / np.where(spread > 0, spread, 1)
    looks = weighted_means(standard, images)
    found = []
    for mode in range(count):
        order = np.argsort(turned[:, mode], kind="stable")
        each = min(EACH, len(order) // 3)
        between = np.linspace(each, len(order) - each - 1, EACH).round().astype(int)
        found.append(
            ModeGallery(order[:each].tolist(), order[between].tolist(), order[-each:].tolist(), looks[mode])
        )
    return found


def weighted_means(weights: NDArray[np.float64], images: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of images weighted by each of the centred columns, (m, C, H, W), for weights (n, m)."""
    sums = np.zeros((weights.shape[1], images[0].size))
    for start in range(0, len(images), BLOCK):
        rows = float_images(torch.from_numpy(images[start : start + BLOCK])).flatten(1).numpy()
        sums += weights[start : start + BLOCK].T @ rows
    return (sums / len(images)).reshape(-1, *images.shape[1:])


def thumbnails(images: NDArray[Any], rows: Sequence[int], show: Sequence[int] = ()) -> NDArray[np.uint8]:
    """Some images as a person looks at them, uint8 (n, H, W, 3); deep ones all with one black and white."""
    return pictures(np.ascontiguousarray(images[list(rows)].transpose(0, 2, 3, 1)), show)


def as_picture(looks_at: NDArray[np.float64], show: Sequence[int] = ()) -> NDArray[np.uint8]:
    """E[f(x) x] as a picture (H, W, 3): grey where a mode does not look, lighter where images gain."""
    channels = [place - 1 for place in show] or list(range(min(3, len(looks_at))))
    levels = looks_at[channels]
    levels = levels[[0, 0, 0] if len(levels) == 1 else [0, 1, 1] if len(levels) == 2 else [0, 1, 2]]
    levels = levels / max(float(np.abs(levels).max()), 1e-12)
    picture: NDArray[np.uint8] = (127.5 + 127.5 * levels).round().astype(np.uint8).transpose(1, 2, 0)
    return picture
