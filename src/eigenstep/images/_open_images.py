"""Data sets opened for training: in memory where they fit, decoded while training otherwise."""

import torch

from eigenstep.images._batches import Images, Sharing
from eigenstep.images._config import ImagesConfig
from eigenstep.images._images import Progress, load_photos, read_images
from eigenstep.images._in_memory import ImagesInMemory
from eigenstep.images._labels import UNLABELLED, Labels
from eigenstep.images._memory import fits_memory
from eigenstep.images._open_dataset import find_source
from eigenstep.images._stream import Stream, open_stream, stream_labels
from eigenstep.images._stream_images import StreamImages
from eigenstep.images._streamed import local_processes
from eigenstep.images._table import Table, open_table, table_labels
from eigenstep.images._table_images import TableImages


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
    progress: Progress | None = None,
) -> Images:
    """Open the images that `data` names for training; see `TrainConfig.data` and `ImagesConfig.stream`.

    Tables and folders are in memory where they fit into what is available of it, and rows of them are
    decoded while training otherwise; the order of the images is the same. Tar shards, and names on the hub
    with `config.stream` "always", are read in order, unless it is "never".

    Parameters
    ----------
    batch_size : of all training processes together
    rank, processes : which of the training processes this is
    labels : read the labels too; without, no column of labels is looked at
    progress : called with the number of images done and the number in all, while they are read into memory

    Raises ValueError or FileNotFoundError in one line as `load_images` does, and if there are fewer images
    than `batch_size`.

    >>> options = dict(seed=0, batch_size=4, device=torch.device("cpu"))
    >>> images = open_images("photos", ImagesConfig(size=32, patches=10), **options)
    >>> next(images.batches(0)).images.shape
    torch.Size([4, 3, 32, 32])
    """
    sharing = Sharing(seed, batch_size, device, rank, processes)
    if data == "photos":
        if labels:
            raise ValueError("photos have no labels; set --data to a labelled data set")
        return ImagesInMemory(load_photos(config, seed), sharing)
    source = find_source(data)
    if source.is_read_in_order(config):
        stream = open_stream(source, config, labels=labels)
        numbers = _checked(stream_labels(source, config), data, None) if labels else None
        if config.stream != "never":
            return StreamImages(stream, numbers, config, sharing)
        return _in_memory(stream, numbers, config, sharing, progress)
    table = open_table(source, config)
    numbers = _checked(table_labels(source, config), data, config.limit) if labels else None
    size, local = config.stored_size or config.size, local_processes(processes)
    fits = config.stream == "auto" and fits_memory(table.count(), size, local)
    if config.stream == "never" or fits:
        return _in_memory(table, numbers, config, sharing, progress)
    return TableImages(table, numbers, config, sharing)


def _in_memory(
    opened: Table | Stream,
    labels: Labels | None,
    config: ImagesConfig,
    sharing: Sharing,
    progress: Progress | None,
) -> Images:
    images, kept = read_images(opened, config, progress)
    if labels is None:
        return ImagesInMemory(images, sharing)
    return ImagesInMemory(images, sharing, labels.numbers[kept], labels.classes)


def _checked(labels: Labels, data: str, limit: int | None) -> Labels:
    """Raises ValueError if one of the first images has no label: training on labels needs them all."""
    used = labels.numbers[:limit]
    missing = int((used == UNLABELLED).sum())
    if missing:
        raise ValueError(f"{data}: {missing} of {len(used)} images have no label, and this loss needs them")
    return labels
