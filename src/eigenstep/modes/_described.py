"""All that is known of each image in numbers: statistics, the user's own columns, classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._chosen_images import ChosenImages
from eigenstep.modes._own_columns import own_columns
from eigenstep.modes.statistics import image_statistics

Array = NDArray[np.float64]

# Classes at most that are statistics of their own; more are told of together.
CLASSES = 20


@dataclass(frozen=True, eq=False)
class Described:
    """What is known of n images.

    Attributes
    ----------
    names : list[str]
        Of s statistics, those of the image first, then the user's own, then one for each class.
    values : Array
        (n, s), none of them constant.
    classes : int
        How many of them, the last ones, are classes.
    left_out : dict[str, str]
        What images like these have not, and why.
    """

    names: list[str]
    values: Array
    classes: int
    left_out: dict[str, str]

    @property
    def without_classes(self) -> Array:
        return self.values[:, : len(self.names) - self.classes]


def describe(images: ChosenImages, table: str | Path | None, name: str) -> Described:
    """Measure the images, and take what a table and their labels say.

    Raises
    ------
    ValueError, FileNotFoundError
        Where nothing differs between the images, and what `own_columns` raises.
    """
    found = image_statistics(images.images)
    columns: dict[str, Array] = dict(zip(found.names, found.values.T, strict=True))
    left_out = dict(found.left_out)
    if table is not None:
        own, values = own_columns(table, images.total, images.places)
        for column, row in zip(own, values.T, strict=True):
            columns[f"{column} (table)" if column in columns else column] = row
    kept: dict[str, Array] = {}
    for column, row in columns.items():
        if row.std() > 1e-9 * max(1.0, float(np.abs(row).max())):
            kept[column] = row
        else:
            left_out[column] = "the same for all images"
    if not kept:
        raise ValueError(f"{name}: no statistic of its images differs between them")
    classes = _classes(images)
    kept |= classes
    return Described(list(kept), np.stack(list(kept.values()), axis=1), len(classes), left_out)


def _classes(images: ChosenImages) -> dict[str, Array]:
    """Of each class whether an image is of it, unless there are many."""
    if images.labels is None or not 2 <= len(np.unique(images.labels)) <= CLASSES:
        return {}
    names = images.class_names
    found = {}
    for number in np.unique(images.labels).tolist():
        word = names[number] if names and number < len(names) else str(number)
        found[f"label: {word}"] = (images.labels == number).astype(np.float64)
    return found
