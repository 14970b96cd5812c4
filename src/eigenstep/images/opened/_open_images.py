"""Data sets opened for training: in memory where they fit, decoded while training otherwise."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import fits_memory
from eigenstep.images._pixels import Pixels
from eigenstep.images.opened._batches import Images, Sharing
from eigenstep.images.opened._in_memory import CountImages, ImagesInMemory, read_images
from eigenstep.images.opened._own_tensors import open_tensors
from eigenstep.images.opened._streamed import local_processes
from eigenstep.images.opened._streamed_rows import StreamedRows
from eigenstep.images.opened._streamed_shards import StreamedShards
from eigenstep.images.sources import (
    UNLABELLED,
    Labels,
    OwnData,
    OwnItems,
    RandomAccess,
    Shards,
    Source,
    find_source,
)
from eigenstep.images.stored import StoredFormat, find_pixels


def open_images(
    data: str | Source,
    config: ImagesConfig,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    rank: int = 0,
    processes: int = 1,
    labels: bool = False,
    progress: CountImages | None = None,
    pixels: Pixels | None = None,
    check: Callable[[Pixels], object] = lambda pixels: None,
) -> Images:
    """Open the images that `data` names or gives, for training; see `TrainConfig.data` and `own_data`.

    Tables and folders are in memory where they fit into what is available of it, and rows of them are
    decoded while training otherwise; the order of the images is the same. Tar shards, and names on the hub
    with `config.stream` "always", are read in order, unless it is "never".

    Parameters
    ----------
    batch_size : int
        Of all training processes together.
    rank, processes : int
        Which of the training processes this is.
    labels : bool
        Read the labels too; without, no column of labels is looked at.
    progress : CountImages | None
        Called with the number of images done and the number in all, while they are read into memory.
    pixels : Pixels | None
        What the images are to consist of; default: what a look at them tells, see `find_pixels`.
    check : Callable[[Pixels], object]
        Called with what they consist of before they are read; what it raises ends the opening.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line as `load_images` does, and if there are fewer images than `batch_size`.

    Examples
    --------
    >>> options = dict(seed=0, batch_size=4, device=torch.device("cpu"))
    >>> images = open_images("photos", ImagesConfig(size=32, patches=10), **options)
    >>> next(images.batches(0)).images.shape
    torch.Size([4, 3, 32, 32])
    """
    sharing = Sharing(seed, batch_size, device, rank, processes)
    source = find_source(data)
    data = source.data
    if labels:
        source.need("labels", option="--data")
    opened = source.open(config, seed, labels=labels)
    in_order = isinstance(opened, Shards)
    found = _checked(source.labels(config), data, None if in_order else config.limit) if labels else None
    if isinstance(opened, OwnItems) and isinstance(source, OwnData) and source.as_tensors:
        return open_tensors(opened, found, config, sharing, progress)
    stored = StoredFormat(config, pixels or find_pixels(opened, config))
    check(stored.pixels)
    if is_kept_whole(source, opened, stored, processes):
        images, kept = read_images(opened, stored, None if source.is_made else progress)
        return ImagesInMemory(
            images, sharing, found.numbers[kept] if found else None, found.classes if found else None
        )
    if isinstance(opened, Shards):
        return StreamedShards(opened, found, stored, sharing)
    return StreamedRows(opened, found, stored, sharing)


def is_kept_whole(
    source: Source, opened: RandomAccess | Shards, stored: StoredFormat, processes: int = 1
) -> bool:
    """Whether images are decoded once into memory, and not while so many processes train.

    Examples
    --------
    >>> import numpy as np
    >>> from eigenstep.images import own_data
    >>> source = own_data([np.zeros((8, 8), np.uint8)] * 10)
    >>> opened = source.open(ImagesConfig(size=8))
    >>> configs = [ImagesConfig(size=8, stream=stream) for stream in ("never", "always")]
    >>> [is_kept_whole(source, opened, StoredFormat(config, Pixels())) for config in configs]
    [True, False]
    """
    stream = stored.config.stream
    if isinstance(opened, Shards) or stream != "auto" or source.is_made:
        return stream == "never" or source.is_made
    return fits_memory(opened.count(), stored.size, local_processes(processes), stored.pixels)


def load_spread(
    data: str | Source, config: ImagesConfig, count: int, seed: int = 0, pixels: Pixels | None = None
) -> Tensor:
    """At most `count` images spread over the data, as a run stores them: (n, C, S, S).

    As many make up the probe batch of a run on the same data, they are those. Of a folder only they are
    decoded. Raises what `open_images` raises.

    Examples
    --------
    >>> load_spread("photos", ImagesConfig(size=32, patches=10), 3).shape
    torch.Size([3, 3, 32, 32])
    """
    if not isinstance(data, str) or Path(data).expanduser().exists():
        config = dataclasses.replace(config, stream="always")
    opened = open_images(data, config, seed=seed, batch_size=1, device=torch.device("cpu"), pixels=pixels)
    try:
        return opened.probe(count)
    finally:
        opened.close()


def _checked(labels: Labels, data: str, limit: int | None) -> Labels:
    """Raises ValueError if one of the first images has no label: training on labels needs them all."""
    used = labels.numbers[:limit]
    missing = int((used == UNLABELLED).sum())
    if missing:
        raise ValueError(f"{data}: {missing} of {len(used)} images have no label, and this loss needs them")
    return labels
