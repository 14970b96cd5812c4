"""The images of a data set in its own order, a block at a time, with their labels."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._pixels import Pixels
from eigenstep.images.decoding import BytesImage, PartImage, Record, no_images
from eigenstep.images.sources import Labels, RandomAccess, Shards, Source, find_source
from eigenstep.images.stored import StoredFormat, decode_squares, find_pixels
from eigenstep.spelling import is_python

BLOCK = 1024


@dataclass(frozen=True)
class Block:
    """Images that follow each other in the data set, without the broken ones.

    Attributes
    ----------
    images : Tensor
        (n, C, size, size), of the stored type.
    index : np.ndarray
        int64 (n,), their places in the data set.
    paths : list[str | None]
        Their files within it, None for images that have none.
    labels : np.ndarray | None
        int64 (n,), -1 for none, or None where the data set has no labels.
    broken : list[str]
        Names of the images between them that could not be decoded, each with its reason; the last block, of
        no images, has what is missing of damaged files.
    end : int
        The place after the last image of the block.
    """

    images: Tensor
    index: np.ndarray
    paths: list[str | None]
    labels: np.ndarray | None
    broken: list[str]
    end: int


@dataclass(frozen=True)
class InOrder:
    """A data set, to be read once.

    Attributes
    ----------
    count : int
        How many images it has, the broken ones included.
    labels : Labels | None
        Of all of them, or None.
    blocks : Iterator[Block]
        The images.
    pixels : Pixels
        What they consist of.
    """

    count: int
    labels: Labels | None
    blocks: Iterator[Block]
    pixels: Pixels


def open_in_order(
    data: str | Source, config: ImagesConfig, seed: int = 0, pixels: Pixels | None = None
) -> InOrder:
    """Open the images that `data` names, as `TrainConfig.data`; `seed` places the photographs' patches.

    Labels come along where there are any.

    Parameters
    ----------
    pixels : Pixels | None
        What the images are to consist of; default: what a look at them tells.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if there are no such images, or if `config.label` names no column of labels; reading the
        blocks does where none of the images can be decoded, at the end.

    Examples
    --------
    >>> found = open_in_order("photos", ImagesConfig(patches=5))
    >>> found.count, [block.images.shape for block in found.blocks]
    (5, [torch.Size([5, 3, 32, 32])])
    """
    source = find_source(data)
    data = source.data
    opened, labels = source.open(config, seed), _labels(source, config)
    stored = StoredFormat(config, pixels or find_pixels(opened, config))
    if not isinstance(opened, Shards):
        count = opened.count()
    elif labels is not None:
        count = len(labels.numbers)
    else:  # it is read once more to count its images
        count = source.count(config)
    return InOrder(count, labels, _decoded(opened, count, labels, data, stored), stored.pixels)


def _decoded(
    opened: RandomAccess | Shards, count: int, labels: Labels | None, data: str, stored: StoredFormat
) -> Iterator[Block]:
    start, found, names, samples = 0, 0, list[str](), opened.samples()
    while some := list(islice(samples, BLOCK)):
        decoded = decode_squares(some, stored.room(len(some)), stored)
        index = start + decoded.kept
        start += len(some)
        found += len(index)
        names += decoded.broken_names[: 3 - len(names)]
        yield Block(
            images=torch.from_numpy(decoded.images),
            index=index,
            paths=[_path(some[place].record, data) for place in decoded.kept],
            labels=labels.numbers[index] if labels else None,
            broken=decoded.broken_names,
            end=start,
        )
    if not found:
        raise ValueError(no_images(data, count, [*opened.damage, *names]))
    if opened.damage:
        nothing = torch.from_numpy(stored.room(0))
        index = np.empty(0, np.int64)
        yield Block(nothing, index, [], index if labels else None, list(opened.damage), start)


def _labels(source: Source, config: ImagesConfig) -> Labels | None:
    """The labels, if there are any; where `config.label` names them they have to be there."""
    if "labels" in source.lacks:
        return None
    try:
        return source.labels(config)
    except ValueError:
        if config.label is not None:
            raise
        return None


def _path(record: Record, data: str) -> str | None:
    """The image's file, as seen from the data set's folder; the name it had where the data set holds it."""
    if record is None or isinstance(record, np.ndarray) or not record.path:
        return None
    held = record.file if isinstance(record, PartImage) else record
    if isinstance(held, BytesImage) or is_python(data):
        return record.path
    return os.path.relpath(record.path, Path(data).expanduser())
