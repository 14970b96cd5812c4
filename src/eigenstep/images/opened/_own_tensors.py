"""Items that are any tensors: in memory, or fetched by processes while training; and labelled ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import MEMORY_SHARE
from eigenstep.images._pixels import COLOURS
from eigenstep.images.decoding import Broken, FailedItem, broken_image
from eigenstep.images.opened._batches import Images, Sharing
from eigenstep.images.opened._in_memory import CountImages, ImageSet, ImagesInMemory
from eigenstep.images.opened._streamed import local_processes
from eigenstep.images.opened._streamed_rows import StreamedRows
from eigenstep.images.sources import Labels, OwnItems
from eigenstep.images.stored import Decoded, StoredFormat, spread
from eigenstep.machine import available_memory, size_in_words


def open_tensors(
    items: OwnItems,
    labels: Labels | None,
    config: ImagesConfig,
    sharing: Sharing,
    progress: CountImages | None = None,
) -> Images:
    """The items for training, in memory where they fit; the order is the same in both cases.

    Raises
    ------
    ValueError
        In one line for items of several shapes, for broken ones that are to be refused, and if there are too
        few or they do not fit where they must.
    """
    whole = config.stream == "never" or (
        config.stream == "auto" and _fits(items, items.count(), local_processes(sharing.processes))
    )
    opened: Images
    if whole:
        tensors, kept = read_tensors(items, np.arange(items.count()), config, progress)
        numbers = None if labels is None else labels.numbers[kept]
        opened = ImagesInMemory(tensors, sharing, numbers, labels.classes if labels else None)
    else:
        opened = StreamedTensors(items, labels, StoredFormat(config, COLOURS), sharing)
    opened.pixels = None
    opened.has_pictures = _are_pictures(items.first)
    return opened


def read_tensors(
    items: OwnItems, rows: np.ndarray, config: ImagesConfig, progress: CountImages | None = None
) -> tuple[ImageSet, np.ndarray]:
    """The items of these rows that can be used, as (n, ...), and which rows they are.

    Raises
    ------
    ValueError
        As `open_tensors`.
    """
    if not _fits(items, len(rows)):
        need, available = len(rows) * items.first.nbytes, available_memory() or 0
        raise ValueError(
            f"{items.data}: {len(rows)} items take {size_in_words(need)} and this machine has"
            f" {size_in_words(available)} of memory available; set images.stream to auto, or smaller limits"
        )
    room = np.empty((len(rows), *items.first.shape), items.first.dtype)
    kept, broken = list[int](), list[str]()
    for place, row in enumerate(rows.tolist()):
        array = _of_one_shape(items, row)
        if isinstance(array, FailedItem):
            told = Broken(row, items.name(row, None), array.reason)
            broken.append(str(told))
            if config.broken == "refuse":
                raise ValueError(broken_image(items.data, told))
            continue
        room[len(kept)] = array
        kept.append(row)
        if progress and (place % 500 == 0 or place + 1 == len(rows)):
            progress(place + 1, len(rows))
    if not kept:
        raise ValueError(f"{items.data}: none of its {len(rows)} items can be used, for example {broken[0]}")
    found = ImageSet(torch.from_numpy(room[: len(kept)]), broken, pixels=None)
    return found, np.array(kept, dtype=np.int64)


class StreamedTensors(StreamedRows):
    """Items in the order in which they would be taken from memory.

    One that cannot be used is replaced by the next that can be.
    """

    _rows: OwnItems

    def probe(self, n: int) -> Tensor:
        rows = spread(n, self._rows.count()).tolist()
        decoded, taken = TensorReader(self._rows).read(rows)
        return torch.from_numpy(decoded.images[np.unique(taken, return_index=True)[1]])

    def _work(self) -> Callable[[Any], Decoded]:  # type: ignore[override]
        return TensorReader(self._rows, self._labels)


class TensorReader:
    """Rows as one array (b, ...).

    Parameters
    ----------
    labels : np.ndarray | None
        int64 (n,), of all rows, or None.
    """

    def __init__(self, items: OwnItems, labels: np.ndarray | None = None) -> None:
        self.items, self.labels = items, labels

    def __call__(self, rows: list[int]) -> Decoded:
        decoded, taken = self.read(rows)
        if self.labels is not None:
            decoded.labels = self.labels[taken]
        return decoded

    def read(self, rows: list[int]) -> tuple[Decoded, np.ndarray]:
        """The rows' items, and the rows (b,) that were taken: others where one cannot be used."""
        items, taken = self.items, np.array(rows)
        room = np.empty((len(rows), *items.first.shape), items.first.dtype)
        broken = list[Broken]()
        for place, row in enumerate(rows):
            array = _of_one_shape(items, row)
            if isinstance(array, FailedItem):
                broken.append(Broken(place, items.name(row, None), array.reason))
                taken[place], array = self._stand_in(row)
            room[place] = array
        whole = np.setdiff1d(np.arange(len(rows)), [each.place for each in broken])
        return Decoded(room, whole, broken, 0), taken

    def _stand_in(self, row: int) -> tuple[int, np.ndarray]:
        """The next row that can be used, and its item; there is one, since there is a first."""
        count = self.items.count()
        for other in range(row + 1, row + count):
            array = _of_one_shape(self.items, other % count)
            if not isinstance(array, FailedItem):
                return other % count, array
        raise ValueError(f"{self.items.data}: none of its {count} items can be used")


def _of_one_shape(items: OwnItems, row: int) -> np.ndarray | FailedItem:
    """Raises ValueError if the item has another shape or type than the first."""
    array, first = items.array(row), items.first
    if isinstance(array, FailedItem) or (array.shape, array.dtype) == (first.shape, first.dtype):
        return array
    raise ValueError(
        f"{items.data}: expected items of one shape and type, {first.dtype} {first.shape} as the first has,"
        f" got {array.dtype} {array.shape} in item {row}; crop, pad or convert them in the data set"
    )


def _fits(items: OwnItems, count: int, processes: int = 1) -> bool:
    available = available_memory()
    return available is None or processes * count * items.first.nbytes <= MEMORY_SHARE * available


def _are_pictures(array: np.ndarray) -> bool:
    """Whether the items are shown as images: numbers (C, H, W), fewer channels than rows or columns."""
    return array.ndim == 3 and array.dtype.kind in "uif" and len(array) < min(array.shape[1:])
