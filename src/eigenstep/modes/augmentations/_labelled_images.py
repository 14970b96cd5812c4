"""The images that sets are compared on, with the labels that are known of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eigenstep.images import ImagesConfig, find_source
from eigenstep.images.sources import UNLABELLED
from eigenstep.modes._chosen_images import choose_images


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images, some or all of them with a label.

    Attributes
    ----------
    images : Tensor
        (n, C, S, S) as a run stores them, in random order.
    labels : Tensor | None
        (n,) int64 in 0 .. c - 1, -1 for images without one; None where there are none.
    class_names : list[str]
        Of the c classes.
    notes : list[str]
        What was left out or taken for granted, each in one line.
    """

    images: Tensor
    labels: Tensor | None
    class_names: list[str]
    notes: list[str]


def load_for_sets(
    data: str,
    config: ImagesConfig,
    count: int,
    *,
    labels: bool | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> LabelledImages:
    """At most `count` images spread over a data set, with the labels that it has.

    Parameters
    ----------
    config : ImagesConfig
        Its `label` names the column, which is then needed.
    labels : bool | None
        Need labels, or leave them alone; None takes them where there are some.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line where images or labels that are asked for are not there, and for labels of one class.

    Examples
    --------
    >>> found = load_for_sets("photos", ImagesConfig(size=16, patches=64), 32)
    >>> found.images.shape, found.labels
    (torch.Size([32, 3, 16, 16]), None)
    """
    chosen = choose_images(data, config, count, labels=False, seed=seed, tell=tell)
    order = np.random.default_rng([seed, 11]).permutation(len(chosen.images))
    images = torch.from_numpy(chosen.images[order])
    places, notes = chosen.places[order], list(chosen.notes)
    if labels is False:
        return LabelledImages(images, None, [], notes)
    source = find_source(data)
    try:
        source.need("labels", option="DATA")
        found = source.labels(dataclasses.replace(config, limit=None))
    except ValueError as error:
        if labels or config.label is not None:
            raise
        return LabelledImages(images, None, [], [*notes, f"there are no labels: {error}"])
    numbers = found.numbers[places]
    labelled = numbers != UNLABELLED
    if not labelled.any():
        if labels or config.label is not None:
            where = "" if config.label is None else f" in {config.label}"
            raise ValueError(f"{data}: none of the {len(numbers):,} images has a label{where}")
        return LabelledImages(images, None, [], [*notes, "there are no labels: no image has one"])
    if not labelled.all():
        notes.append(
            f"{int(labelled.sum()):,} of {len(numbers):,} images have a label; all are trained on, and"
            " accuracies are of these alone"
        )
    classes, small = np.unique(numbers[labelled], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{data}: expected labels of at least two classes, got one over {int(labelled.sum()):,} images;"
            " take other labels, or give --labels no"
        )
    targets = np.full(len(numbers), -1, dtype=np.int64)
    targets[labelled] = small
    names = [found.names[each] if found.names else str(each) for each in classes.tolist()]
    return LabelledImages(images, torch.from_numpy(targets), names, notes)
