"""Labelled images for probes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import check_memory
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import no_images
from eigenstep.images.opened._own_tensors import read_tensors
from eigenstep.images.sources import (
    UNLABELLED,
    Labels,
    OwnData,
    RandomAccess,
    Sample,
    Shards,
    Source,
    find_source,
)
from eigenstep.images.stored import StoredFormat, decode_squares, find_pixels


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes
    ----------
    images : Tensor
        (n, C, S, S), of the stored type; of a data set of any tensors those, (n, ...).
    labels : Tensor
        int64 (n,).
    class_names : list[str] | None
        By number; None where the data set only has numbers.
    """

    images: Tensor
    labels: Tensor
    class_names: list[str] | None


def load_labelled(
    data: str | Source,
    config: ImagesConfig,
    split: str,
    limit: int | None,
    seed: int = 0,
    pixels: Pixels | None = None,
) -> LabelledImages:
    """A random subset of at most `limit` of a split's labelled images.

    A class has the same number in every split. Images without a label are left out, and broken ones as
    `config.broken` says. Of a data set that is streamed from the hub the subset is the beginning of its
    shuffled stream, so that not all of it has to be read.

    Parameters
    ----------
    pixels : Pixels | None
        What the images are to consist of, for example `Images.pixels` of those that an encoder is trained on;
        default: what a look at the split tells.

    Raises
    ------
    ValueError
        In one line if the split or its labels do not exist, or too many images were asked for.

    Examples
    --------
    >>> from eigenstep.images import own_data
    >>> items = [(np.full((8, 8), 20 * label, np.uint8), label) for label in range(10)]
    >>> found = load_labelled(own_data(items), ImagesConfig(size=8), "train", limit=4)
    >>> found.labels, found.images[:, 0, 0, 0]
    (tensor([2, 4, 6, 7]), tensor([ 40,  80, 120, 140], dtype=torch.uint8))
    """
    source = find_source(data)
    data = source.data
    source.need("labels", option="--probes.data")
    config = replace(config, split=split, limit=None)
    generator = np.random.default_rng([seed, 0])
    if isinstance(source, OwnData) and source.as_tensors:
        return _of_tensors(source, config, limit, generator)
    labels, opened = source.labels(config), source.open(config, labels=True)
    stored = StoredFormat(config, pixels or find_pixels(opened, config))
    numbers, samples, names = _subset(labels, opened, source.is_remote, config, limit, generator)
    check_memory(data, len(numbers), stored.size, "set smaller limits of --probes", stored.pixels)
    refused_of = data if config.broken == "refuse" else None
    decoded = decode_squares(samples, stored.room(len(numbers)), stored, refused_of=refused_of)
    if not len(decoded.kept):
        raise ValueError(no_images(data, len(numbers), decoded.broken_names))
    kept = torch.from_numpy(numbers[decoded.kept])
    return LabelledImages(torch.from_numpy(decoded.images), kept, names)


def _of_tensors(
    source: OwnData, config: ImagesConfig, limit: int | None, generator: np.random.Generator
) -> LabelledImages:
    labels = source.labels(config)
    rows = _choose(labels, limit, generator)
    read, kept = read_tensors(source.open(config), rows, config)
    return LabelledImages(read.images, torch.from_numpy(labels.numbers[kept]), labels.names)


def _subset(
    labels: Labels,
    opened: RandomAccess | Shards,
    is_remote: bool,
    config: ImagesConfig,
    limit: int | None,
    generator: np.random.Generator,
) -> tuple[np.ndarray, Iterable[Sample], list[str] | None]:
    """Class numbers, int64 (n,), samples, and the classes' names."""
    if isinstance(opened, Shards) and is_remote:
        chosen = [
            sample
            for sample in islice(opened.shuffled(config.shuffle_buffer, generator), limit)
            if labels.number(sample.label) != UNLABELLED
        ]
        numbers = [labels.number(sample.label) for sample in chosen]
        return np.array(numbers, dtype=np.int64), chosen, labels.names
    rows = _choose(labels, limit, generator)
    samples: Iterable[Sample]
    if isinstance(opened, Shards):
        wanted = set(rows.tolist())
        samples = (sample for place, sample in enumerate(opened.samples()) if place in wanted)
    else:
        samples = map(opened.sample, rows.tolist())
    return labels.numbers[rows], samples, labels.names


def _choose(labels: Labels, limit: int | None, generator: np.random.Generator) -> np.ndarray:
    """Ascending places of labelled images."""
    labelled = np.flatnonzero(labels.numbers != UNLABELLED)
    return np.sort(generator.permutation(labelled)[:limit])
