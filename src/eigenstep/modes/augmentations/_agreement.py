"""What each operation leaves of what: the agreement of two views on every statistic of the image."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.modes.augmentations._sets import AugmentationSet
from eigenstep.modes.statistics import image_statistics
from eigenstep.views import TwoViews, ViewsConfig

Array = NDArray[np.float64]

# Agreements below which hardly anything of a statistic is left, and above which nearly all of it is.
LITTLE, MUCH = 0.3, 0.9
# Statistics are of float32: a spread below this share of their size is rounding.
_RESOLVED = 1e-5
# Standard errors within which an agreement is none.
NONE_ERRORS = 2.0

# One operation of a set alone: the fields that it is made of; what else there is, is off.
_OPERATIONS: dict[str, tuple[str, ...]] = {
    "crop": ("crop_scale", "crop_ratio"),
    "flip": ("flip_probability",),
    "quarter turns": ("turn_probability",),
    "brightness": ("jitter_probability", "jitter", "brightness"),
    "contrast": ("jitter_probability", "jitter", "contrast"),
    "saturation": ("jitter_probability", "saturation"),
    "hue": ("jitter_probability", "hue"),
    "grey": ("grayscale_probability",),
    "blur": ("blur_probability", "blur_sigma"),
    "solarise": ("solarize_probability", "solarize_threshold"),
    "noise": ("noise_probability", "noise_std"),
}
_STRENGTHS = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two views of an image agree on each statistic.

    Attributes
    ----------
    rows : tuple[str, ...]
        Operations and sets.
    statistics : tuple[str, ...]
        Names.
    values : NDArray[np.float64]
        (rows, statistics) the correlation between two views: 1 where a statistic is left as it is, 0 where
        nothing of it is left; NaN where the views of all images have the same value.
    images : int
        How many images these are of; standard errors are about (1 - value^2) / sqrt(images).
    left_out : dict[str, str]
        Statistics that do not exist for such images, or do not vary over them, and why.
    """

    rows: tuple[str, ...]
    statistics: tuple[str, ...]
    values: Array
    images: int
    left_out: dict[str, str]

    def of(self, row: str, statistic: str) -> float:
        """The agreement after an operation or set on a statistic."""
        return float(self.values[self.rows.index(row), self.statistics.index(statistic)])

    def gone(self, row: str) -> list[str]:
        """Statistics of which so many images show nothing left."""
        none = NONE_ERRORS / np.sqrt(self.images)
        return self._where(row, lambda value: value < none)

    def faint(self, row: str) -> list[str]:
        """Statistics of which little is left."""
        none = NONE_ERRORS / np.sqrt(self.images)
        return self._where(row, lambda value: none <= value < LITTLE)

    def kept(self, row: str) -> list[str]:
        """Statistics of which nearly all is left."""
        return self._where(row, lambda value: value > MUCH)

    def sentence(self, row: str) -> str:
        """What a set or an operation leaves, in words."""
        gone, faint, kept = self.gone(row), self.faint(row), self.kept(row)
        told = []
        if gone:
            told.append(f"nothing of {listed(gone)} survives")
        if faint:
            told.append(f"hardly anything of {listed(faint)}")
        if kept:
            told.append(f"{listed(kept)} {'stay' if len(kept) > 1 else 'stays'} nearly whole")
        return f"{row}: {'; '.join(told) or 'some of every statistic survives'}"

    def _where(self, row: str, holds: Any) -> list[str]:
        found = self.values[self.rows.index(row)]
        chosen = [
            int(place) for place in np.argsort(found) if np.isfinite(found[place]) and holds(found[place])
        ]
        return [self.statistics[place] for place in chosen]


def view_agreement(
    images: Tensor,
    sets: Sequence[AugmentationSet],
    *,
    count: int = 300,
    image_size: int | None = None,
    seed: int = 0,
) -> Agreement:
    """The agreement of two views on every statistic, under operations of the first set and all sets.

    The correlation of both views over images, each taken first and second:
    2 sum (a - m)(b - m) / sum [(a - m)^2 + (b - m)^2] with m the mean of both, which is the statistic's rho.

    Parameters
    ----------
    images : Tensor
        (n, C, H, W), uint8, uint16 or floats in [0, 1]; the first `count` are used.
    sets : Sequence[AugmentationSet]
        The first one's operations are looked at one by one, each as often and as strongly as there.
    image_size : int | None
        Side of the views; default: that of the images.

    Raises
    ------
    ValueError
        No sets, fewer than 4 images, or images of which no statistic varies: constant ones.

    Examples
    --------
    >>> images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> found = view_agreement(images, [AugmentationSet("full", ViewsConfig())])
    >>> found.rows[:2], round(found.of("flip", "brightness"), 3)
    (('crop', 'flip'), 1.0)
    """
    if not sets:
        raise ValueError("expected at least one set of augmentations, got none")
    images = images[:count]
    if len(images) < 4:
        raise ValueError(f"expected at least 4 images to compare views over, got {len(images)}")
    plain = image_statistics(images)
    spread = plain.values.std(axis=0)
    varies = spread > _RESOLVED * (1 + np.abs(plain.values).max(axis=0))
    if not varies.any():
        raise ValueError(
            f"expected images that differ, got {len(images)} of which no statistic varies; are they constant?"
        )
    left_out = dict(plain.left_out)
    left_out |= {
        name: "it is the same for all of these images"
        for name, does in zip(plain.names, varies, strict=True)
        if not does
    }
    size = image_size or int(images.shape[-1])
    looked_at = [*operations_of(sets[0].views, int(images.shape[1])), *sets]
    values = np.stack([_agreement(images, each.views, size, seed)[varies] for each in looked_at])
    names = tuple(name for name, does in zip(plain.names, varies, strict=True) if does)
    return Agreement(tuple(each.name for each in looked_at), names, values, len(images), left_out)


def operations_of(views: ViewsConfig, channels: int = 3) -> list[AugmentationSet]:
    """Each operation of a set alone, as often and as strongly as in the set; those that are off are left out.

    Examples
    --------
    >>> [each.name for each in operations_of(ViewsConfig())]
    ['crop', 'flip', 'brightness', 'contrast', 'saturation', 'hue', 'grey']
    """
    filled = views.for_channels(channels)
    off = dataclasses.replace(
        ViewsConfig.none(), brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, grayscale_probability=0.0
    )
    alone = []
    for name, fields in _OPERATIONS.items():
        made = dataclasses.replace(off, **{field: getattr(filled, field) for field in fields})
        strength = getattr(made, name) if name in _STRENGTHS else 1.0
        chance = getattr(made, fields[0])
        is_on = tuple(chance) != (1.0, 1.0) if name == "crop" else bool(chance and strength)
        if is_on:
            alone.append(AugmentationSet(name, made))
    return alone


def _agreement(images: Tensor, views: ViewsConfig, size: int, seed: int) -> Array:
    generator = torch.Generator().manual_seed(seed)
    pair = TwoViews(views.unscaled(), size)(images, generator)
    a, b = (image_statistics(each, value_range=(0.0, 1.0)).values for each in pair)
    return correlation(a, b)


def correlation(a: Array, b: Array) -> Array:
    """Of two views, (n, s) each, by column, either taken first: rho, in [-1, 1]; NaN of constants."""
    mean = (a.mean(axis=0) + b.mean(axis=0)) / 2
    a, b = a - mean, b - mean
    both = (np.square(a) + np.square(b)).sum(axis=0) / 2
    scale = np.maximum(np.abs(mean), 1.0) ** 2 * len(a) * 1e-18
    return np.where(both > scale, (a * b).sum(axis=0) / np.where(both > scale, both, 1), np.nan)


def listed(names: list[str], most: int = 6) -> str:
    """Names as a sentence has them, the first of many.

    Examples
    --------
    >>> listed(["crop", "flip", "grey"]), listed(["crop", "flip", "grey"], most=1)
    ('crop, flip and grey', 'crop and 2 more')
    """
    shown = names if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def correlation_with(modes: Array, statistics: Array) -> Array:
    """Of every mode (n, k) with every statistic (n, s), (k, s); 0 where either does not vary."""
    a, b = (each - each.mean(axis=0) for each in (modes, statistics))
    sizes = np.sqrt(np.outer(np.square(a).sum(axis=0), np.square(b).sum(axis=0)))
    return np.where(sizes > 0, a.T @ b / np.where(sizes > 0, sizes, 1), 0.0)
