"""Data sets opened for training: in memory where they fit, decoded while training otherwise."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.images._batches import Images, Sharing
from eigenstep.images._config import ImagesConfig
from eigenstep.images._find_source import find_source
from eigenstep.images._in_memory import CountImages, ImagesInMemory, read_images
from eigenstep.images._samples import UNLABELLED, Labels
from eigenstep.images._source import Shards
from eigenstep.images._stored import fits_memory
from eigenstep.images._streamed import local_processes
from eigenstep.images._streamed_rows import StreamedRows
from eigenstep.images._streamed_shards import StreamedShards


def open_images(
    data: str,
    config: ImagesConfig,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    rank: int = 0,
    processes: int = 1,
    labels: bool = False,
    progress: CountImages | None = None,
) -> Images:
    """Open the images that `data` names for training; see `TrainConfig.data` and `ImagesConfig.stream`.

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
    if labels:
        source.need("labels", option="--data")
    opened = source.open(config, seed, labels=labels)
    in_order = isinstance(opened, Shards)
    found = _checked(source.labels(config), data, None if in_order else config.limit) if labels else None
    if in_order or config.stream != "auto" or source.is_made:
        whole = config.stream == "never" or source.is_made
    else:
        size = config.stored_size or config.size
        whole = fits_memory(opened.count(), size, local_processes(processes))
    if whole:
        images, kept = read_images(opened, config, None if source.is_made else progress)
        return ImagesInMemory(
            images, sharing, found.numbers[kept] if found else None, found.classes if found else None
        )
    if isinstance(opened, Shards):
        return StreamedShards(opened, found, config, sharing)
    return StreamedRows(opened, found, config, sharing)


def load_spread(data: str, config: ImagesConfig, count: int, seed: int = 0) -> Tensor:
    """At most `count` images spread over the data, as a run stores them: uint8 (n, 3, S, S).

    As many make up the probe batch of a run on the same data, they are those. Of a folder only they are
    decoded. Raises what `open_images` raises.

    Examples
    --------
    >>> load_spread("photos", ImagesConfig(size=32, patches=10), 3).shape
    torch.Size([3, 3, 32, 32])
    """
    if Path(data).expanduser().exists():
        config = dataclasses.replace(config, stream="always")
    opened = open_images(data, config, seed=seed, batch_size=1, device=torch.device("cpu"))
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
