"""Labelled images for probes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_squares, no_images
from eigenstep.images._find_source import find_source
from eigenstep.images._samples import UNLABELLED, Labels, Sample
from eigenstep.images._source import Shards, Source
from eigenstep.images._stored import check_memory


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes
    ----------
    images : Tensor
        uint8 (n, 3, S, S).
    labels : Tensor
        int64 (n,).
    class_names : list[str] | None
        By number; None where the data set only has numbers.
    """

    images: Tensor
    labels: Tensor
    class_names: list[str] | None


def load_labelled(
    data: str, config: ImagesConfig, split: str, limit: int | None, seed: int = 0
) -> LabelledImages:
    """A random subset of at most `limit` of a split's labelled images.

    A class has the same number in every split. Images without a label are left out, and broken ones as
    `config.broken` says. Of a data set that is streamed from the hub the subset is the beginning of its
    shuffled stream, so that not all of it has to be read.

    Raises
    ------
    ValueError
        In one line if the split or its labels do not exist, or too many images were asked for.
    """
    source = find_source(data)
    source.need("labels", option="--probes.data")
    config = replace(config, split=split, limit=None)
    numbers, samples, names = _subset(source, config, limit, np.random.default_rng([seed, 0]))
    size = config.stored_size or config.size
    check_memory(data, len(numbers), size, "set smaller limits of --probes")
    images = torch.empty((len(numbers), 3, size, size), dtype=torch.uint8)
    refused_of = data if config.broken == "refuse" else None
    decoded = decode_squares(samples, images.numpy(), refused_of=refused_of)
    if not len(decoded.kept):
        raise ValueError(no_images(data, len(numbers), decoded.broken_names))
    labels = torch.from_numpy(numbers[decoded.kept])
    return LabelledImages(images[: len(labels)], labels, names)


def _subset(
    source: Source, config: ImagesConfig, limit: int | None, generator: np.random.Generator
) -> tuple[np.ndarray, Iterable[Sample], list[str] | None]:
    """Class numbers, int64 (n,), samples, and the classes' names."""
    labels, opened = source.labels(config), source.open(config, labels=True)
    if isinstance(opened, Shards) and source.is_remote:
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
