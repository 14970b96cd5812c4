"""The images of a data set in its own order, a block at a time, with their labels."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_square
from eigenstep.images._images import load_photos
from eigenstep.images._labels import Labels
from eigenstep.images._open_dataset import find_source
from eigenstep.images._records import Record, Sample
from eigenstep.images._stream import open_stream, stream_labels
from eigenstep.images._table import open_table, table_labels

BLOCK = 1024


@dataclass(frozen=True)
class Block:
    """Images that follow each other in the data set, without the broken ones.

    Attributes
    ----------
    images : uint8 (n, 3, size, size)
    index : int64 (n,), their places in the data set
    paths : their files within it, None for images that have none
    labels : int64 (n,), -1 for none, or None where the data set has no labels
    broken : names of the images between them that could not be decoded
    end : the place after the last image of the block
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
    count : how many images it has, the broken ones included
    labels : of all of them, or None
    blocks : the images
    """

    count: int
    labels: Labels | None
    blocks: Iterator[Block]


def open_in_order(data: str, config: ImagesConfig, seed: int = 0) -> InOrder:
    """Open the images that `data` names, as `TrainConfig.data`; `seed` places the photographs' patches.

    Labels come along where there are any. Raises ValueError or FileNotFoundError in one line if there are no
    such images, or if `config.label` names no column of labels.

    >>> found = open_in_order("photos", ImagesConfig(patches=5))
    >>> found.count, [block.images.shape for block in found.blocks]
    (5, [torch.Size([5, 3, 32, 32])])
    """
    size = config.stored_size or config.size
    if data == "photos":
        images = load_photos(config, seed).images
        return InOrder(len(images), None, _patches(images))
    source = find_source(data)
    if source.is_read_in_order(config):
        labels = _if_any(lambda: stream_labels(source, config), config)
        # A stream without labels is read once more to count its images.
        count = len(labels.numbers) if labels else open_stream(source, config, images=False).count()
        samples = open_stream(source, config).samples()
    else:
        table = open_table(source, config)
        labels = _if_any(lambda: table_labels(source, config), config)
        count, samples = table.count(), table.samples()
    return InOrder(count, labels, _decoded(samples, labels, data, size))


def _decoded(samples: Iterable[Sample], labels: Labels | None, data: str, size: int) -> Iterator[Block]:
    rest, start = iter(samples), 0
    while some := list(islice(rest, BLOCK)):
        images = np.empty((len(some), 3, size, size), np.uint8)
        kept, broken = list[int](), list[str]()
        for place, sample in enumerate(some):
            try:
                images[len(kept)] = decode_square(sample.record, size)[0]
                kept.append(place)
            except Exception:  # decoders raise SyntaxError, RuntimeError, struct.error and more
                broken.append(sample.name)
        index = start + np.array(kept, dtype=np.int64)
        start += len(some)
        yield Block(
            images=torch.from_numpy(images[: len(kept)]),
            index=index,
            paths=[_path(some[place].record, data) for place in kept],
            labels=labels.numbers[index] if labels else None,
            broken=broken,
            end=start,
        )


def _patches(images: Tensor) -> Iterator[Block]:
    for start in range(0, len(images), BLOCK):
        some = images[start : start + BLOCK]
        end = start + len(some)
        yield Block(some, np.arange(start, end), [None] * len(some), None, [], end)


def _path(record: Record, data: str) -> str | None:
    """The image's file, as seen from the data set's folder; the name it had where the data set holds it."""
    if record is None or not record["path"]:
        return None
    if record["bytes"] is None:
        return os.path.relpath(record["path"], Path(data).expanduser())
    return record["path"]


def _if_any(read: Callable[[], Labels], config: ImagesConfig) -> Labels | None:
    try:
        return read()
    except ValueError:
        if config.label is not None:
            raise
        return None
