"""Labelled images for probes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_square
from eigenstep.images._images import broken_image, no_images
from eigenstep.images._labels import UNLABELLED, Labels
from eigenstep.images._memory import check_memory
from eigenstep.images._open_dataset import Source, find_source
from eigenstep.images._records import Sample
from eigenstep.images._stream import open_stream, stream_labels
from eigenstep.images._table import open_table, table_labels


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes
    ----------
    images : uint8 (n, 3, S, S)
    labels : int64 (n,)
    class_names : by number; None where the data set only has numbers
    """

    images: Tensor
    labels: Tensor
    class_names: list[str] | None


def load_labelled(
    data: str, config: ImagesConfig, split: str, limit: int | None, seed: int = 0
) -> LabelledImages:
    """A random subset of at most `limit` of a split's labelled images.

    A class has the same number in every split. Images without a label are left out, and broken ones as
    `config.on_broken` says. Of a data set that is streamed from the hub the subset is the beginning of its
    shuffled stream, so that not all of it has to be read.

    Raises ValueError in one line if the split or its labels do not exist, or too many images were asked for.
    """
    if data == "photos":
        raise ValueError("photos have no labels; set --probes.data to a labelled data set")
    config = replace(config, split=split, limit=None)
    numbers, samples, names = _subset(find_source(data), config, limit, np.random.default_rng([seed, 0]))
    size = config.stored_size or config.size
    check_memory(data, len(numbers), size, "set smaller limits of --probes")
    images = torch.empty((len(numbers), 3, size, size), dtype=torch.uint8)
    pixels = images.numpy()
    kept, broken = list[int](), list[str]()
    for number, sample in zip(numbers, samples, strict=True):
        try:
            pixels[len(kept)] = decode_square(sample.record, size)[0]
            kept.append(number)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            broken.append(sample.name)
            if config.on_broken == "refuse":
                raise ValueError(broken_image(data, sample.name)) from error
    if not kept:
        raise ValueError(no_images(data, len(numbers), broken))
    return LabelledImages(images[: len(kept)], torch.tensor(kept), names)


def _subset(
    source: Source, config: ImagesConfig, limit: int | None, generator: np.random.Generator
) -> tuple[list[int], Iterator[Sample], list[str] | None]:
    """Class numbers, samples, and the classes' names."""
    if source.is_read_in_order(config):
        labels = stream_labels(source, config)
        stream = open_stream(source, config, labels=True)
        if source.kind == "hub":
            chosen = [
                sample
                for sample in islice(stream.shuffled(config.shuffle_buffer, generator), limit)
                if labels.number(sample.label) != UNLABELLED
            ]
            return [labels.number(sample.label) for sample in chosen], iter(chosen), labels.names
        rows = _choose(labels, limit, generator)
        wanted = set(rows.tolist())
        samples = (sample for place, sample in enumerate(stream.samples()) if place in wanted)
    else:
        labels, table = table_labels(source, config), open_table(source, config)
        rows = _choose(labels, limit, generator)
        samples = (table.sample(row) for row in rows.tolist())
    return labels.numbers[rows].tolist(), samples, labels.names


def _choose(labels: Labels, limit: int | None, generator: np.random.Generator) -> np.ndarray:
    """Ascending places of labelled images."""
    labelled = np.flatnonzero(labels.numbers != UNLABELLED)
    return np.sort(generator.permutation(labelled)[:limit])
