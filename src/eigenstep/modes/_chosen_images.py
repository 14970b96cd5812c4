"""The images that modes are explained by: spread over a data set, with their places and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenstep.images import ImagesConfig, Pixels, RandomAccess, Sample, find_pixels, find_source
from eigenstep.images.decoding import no_images
from eigenstep.images.sources import UNLABELLED
from eigenstep.images.stored import StoredFormat, check_show, decode_squares, spread

# Pixels of a side from which an image has all kinds of statistics.
LEAST_SIDE = 4


@dataclass(frozen=True, eq=False)
class ChosenImages:
    """Some images of a data set.

    Attributes
    ----------
    images : NDArray[Any]
        (n, C, S, S) as a run stores them.
    places : NDArray[np.int64]
        (n,) of each image in the data set, counted from 0.
    total : int
        Images in the data set.
    labels : NDArray[np.int64] | None
        (n,) numbers of classes.
    class_names : list[str] | None
        By number; None where the data set only has numbers.
    notes : list[str]
        What was left out, and why.
    """

    images: NDArray[Any]
    places: NDArray[np.int64]
    total: int
    labels: NDArray[np.int64] | None = None
    class_names: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    def take(self, rows: NDArray[np.int64]) -> ChosenImages:
        """Some of them."""
        labels = None if self.labels is None else self.labels[rows]
        return dataclasses.replace(self, images=self.images[rows], places=self.places[rows], labels=labels)


def choose_images(
    data: str,
    config: ImagesConfig,
    count: int,
    *,
    labels: bool | None = None,
    pixels: Pixels | None = None,
    places: NDArray[np.int64] | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> ChosenImages:
    """At most `count` images spread over a data set, with labels where they are known.

    Parameters
    ----------
    data : str
        As `eigenstep.training.TrainConfig.data`.
    labels : bool | None
        Need them, or leave them alone; None takes them where every image has one and there are several
        classes.
    pixels : Pixels | None
        What the images are to consist of; default: what a look at them tells.
    places : NDArray[np.int64] | None
        (m,) the images to choose among, as places in the data set; default: all.
    tell : Callable[[str], None]
        Called with what is done next.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line where there are no such images, channels to show that they have not, or no labels where
        they are needed.

    Examples
    --------
    >>> chosen = choose_images("photos", ImagesConfig(size=16, patches=40), 10)
    >>> chosen.images.shape, chosen.places[:3].tolist(), chosen.total
    ((10, 3, 16, 16), [0, 4, 8], 40)
    """
    if count < 1:
        raise ValueError(f"--count: expected at least 1 image, got {count}")
    if seed < 0:
        raise ValueError(f"--seed: expected at least 0, got {seed}")
    side = min(config.size, config.stored_size or config.size)
    if side < LEAST_SIDE:
        raise ValueError(f"--images.size: expected at least {LEAST_SIDE} pixels, got {side}")
    source = find_source(data)
    opened = source.open(dataclasses.replace(config, stream="never"), seed)
    total = opened.count()
    known = np.arange(total) if places is None else places
    if len(known) and (known.min() < 0 or known.max() >= total):
        raise ValueError(
            f"expected rows of the {total:,} images of {data}, got places up to {int(known.max())}; name the"
            " images that the rows are of"
        )
    rows = known[spread(count, len(known))]
    stored = StoredFormat(config, pixels or find_pixels(opened, config))
    check_show(config.show, stored.pixels.channels)
    tell(f"reading {len(rows):,} of {total:,} images of {data}")
    if isinstance(opened, RandomAccess):
        samples: Iterable[Sample] = map(opened.sample, rows.tolist())
    else:
        wanted = set(rows.tolist())
        samples = (sample for place, sample in enumerate(opened.samples()) if place in wanted)
        rows = np.sort(rows)
    refused_of = data if config.broken == "refuse" else None
    decoded = decode_squares(samples, stored.room(len(rows)), stored, refused_of=refused_of)
    if not len(decoded.kept):
        raise ValueError(no_images(data, len(rows), decoded.broken_names))
    notes = [*stored.pixels.notes, *decoded.notes]
    if decoded.broken:
        names = ", ".join(decoded.broken_names[:3]) + (", ..." if len(decoded.broken) > 3 else "")
        left = "1 image" if len(decoded.broken) == 1 else f"{len(decoded.broken):,} images"
        notes.append(f"could not decode {left}, left out: {names}")
    chosen = ChosenImages(decoded.images, rows[decoded.kept], total, notes=notes)
    return chosen if labels is False else _with_labels(chosen, source, config, needed=bool(labels))


def _with_labels(chosen: ChosenImages, source: Any, config: ImagesConfig, *, needed: bool) -> ChosenImages:
    if "labels" in source.lacks:
        if needed:
            raise ValueError(f"{source.data} have no labels; leave out --labels yes")
        return chosen
    try:
        found = source.labels(dataclasses.replace(config, limit=None))
    except ValueError as error:
        if needed or config.label is not None:
            raise
        return dataclasses.replace(chosen, notes=[*chosen.notes, f"labels are left alone: {error}"])
    numbers = found.numbers[chosen.places]
    missing = int((numbers == UNLABELLED).sum())
    problem = None
    if missing == len(numbers):
        problem = f"{source.data}: none of the images has a label"
    elif missing:
        problem = (
            f"{source.data}: expected a label of each of the {len(numbers):,} images, {missing:,} have none"
        )
    elif len(np.unique(numbers)) < 2:
        problem = f"{source.data}: expected labels of two classes or more, all images have the same label"
    if problem and needed:
        raise ValueError(problem)
    if problem:
        return dataclasses.replace(chosen, notes=[*chosen.notes, f"labels are left alone: {problem}"])
    return dataclasses.replace(chosen, labels=numbers, class_names=found.names)
