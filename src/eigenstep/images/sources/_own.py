"""A data set of one's own, an object of Python, as a source of images or of any tensors."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import BytesImage, FailedItem, FileImage, PillowImage, Record
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._items import Items, as_array, as_pixels
from eigenstep.images.sources._samples import Labels, Value, read_labels
from eigenstep.images.sources._source import RandomAccess, Source
from eigenstep.spelling import python_name


def own_data(images: Any, *, as_tensors: bool = False) -> Source:
    """A source of the items of an object of Python, to be given wherever the name of a data set is.

    Parameters
    ----------
    images : Any
        An array or tensor (N, ...), any object with `__len__` and `__getitem__`, or a mapping of the names
        of splits to those. Its items are x, (x, label), or mappings {"image" or "x": x, "label" or "y":
        label}, by other names with `ImagesConfig.column` and `ImagesConfig.label`. x is an image of PIL, a
        path, the bytes of a file, a tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W). A `Source`
        is returned as it is.
    as_tensors : bool
        x is any tensor, array or numbers, of one shape and type in all items, and goes into the views as it
        is; images of PIL, paths and bytes alone are decoded. Such items have neither size nor colours.

    Raises
    ------
    TypeError
        For what is no data set.

    Examples
    --------
    >>> rows = own_data([(np.zeros(5), 0), (np.ones(5), 1)], as_tensors=True)
    >>> rows.data, rows.splits(), rows.labels(ImagesConfig()).numbers
    ('python:list', ['train'], array([0, 1]))
    """
    if isinstance(images, Source):
        return images
    splits = dict(images) if isinstance(images, Mapping) else {"train": images}
    if not splits or not all(isinstance(name, str) for name in splits):
        raise TypeError("images: expected a mapping of the names of splits to data sets, got another mapping")
    for split in splits.values():
        if isinstance(split, str | bytes | Path) or not all(
            hasattr(split, each) for each in ("__len__", "__getitem__")
        ):
            raise TypeError(
                "images: expected an array, a tensor or a data set with __len__ and __getitem__, got"
                f" {type(split).__name__}; name files by TrainConfig.data"
            )
    first = next(iter(splits.values()))
    return OwnData(python_name(first), splits, as_tensors and not _is_decoded(first))


class OwnData(Source):
    """Splits that are objects; see `own_data`.

    Parameters
    ----------
    data : str
        What the configuration calls it.
    splits : Mapping[str, Any]
        By name.
    as_tensors : bool
        Items go into the views as they are.
    """

    def __init__(self, data: str, splits: Mapping[str, Any], as_tensors: bool) -> None:
        super().__init__(Named(data))
        self.as_tensors = as_tensors
        self._splits = splits

    @classmethod
    def matches(cls, named: Named) -> bool:
        return False  # no name stands for an object

    def splits(self) -> list[str]:
        return list(self._splits)

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> "OwnItems":
        """Raises ValueError too if the first item that can be had is no image, unless any tensors are."""
        opened = OwnItems(self._items(config, seed), config)
        if not opened.count():
            raise ValueError(f"{self.data}: its split {config.split!r} has no items")
        if not self.as_tensors:
            opened.check()
        return opened

    def labels(self, config: ImagesConfig) -> Labels:
        others = [name for name in self._splits if name != config.split]
        values = self._values(config.split, config)
        if all(value is None for value in values):
            raise ValueError(
                f"{self.data}: no item of its split {config.split!r} has a label; expected items (x, label),"
                ' {"label": ...}, or a name by images.label'
            )
        text = any(isinstance(value, str) for value in values)
        rest = [self._values(name, config) for name in others] if text else []
        names = getattr(self._splits[config.split], "classes", None)  # of torchvision
        if text or not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            return read_labels(self.data, values, rest)
        return read_labels(self.data, values, rest, list(names))

    def need(self, *what: Literal["splits", "labels"], option: str) -> None:
        if "splits" in what and len(self._splits) == 1:
            raise ValueError(
                f"{self.data} is one data set, of which nothing is left to test on; give"
                " images={'train': ..., 'test': ...}, or set probes.test_split"
            )

    def _items(self, config: ImagesConfig, seed: int = 0) -> Items:
        if config.split not in self._splits:
            raise ValueError(
                f"{self.data} has no split {config.split!r}: expected {', '.join(self._splits)}; give images="
                " as a mapping of splits, or set images.split"
            )
        return Items(self.data, self._splits[config.split], config, seed)

    def _values(self, split: str, config: ImagesConfig) -> list[Value]:
        self._items(config)
        items = Items(self.data, self._splits[split], config)
        targets = getattr(items.dataset, "targets", None)  # of torchvision: read without the images
        if isinstance(targets, list | Tensor | np.ndarray) and len(targets) == len(items):
            plain = getattr(items.dataset, "target_transform", None) is None
            values = [each.item() if hasattr(each, "item") else each for each in targets] if plain else []
            if values and values[0] == items.label(0):
                return values
        return [items.label(row) for row in range(len(items))]


class OwnItems(RandomAccess):
    """The first `config.limit` items of a split."""

    def __init__(self, items: Items, config: ImagesConfig) -> None:
        self.data = items.data
        self.items, self.layout = items, config.layout
        self._count = min(len(items), config.limit or len(items))

    def count(self) -> int:
        return self._count

    def records(self, rows: list[int]) -> Sequence[Record]:
        return [self._record(row) for row in rows]

    def name(self, row: int, record: Record) -> str:
        return f"item {row}"

    def arrays(self) -> Iterator[np.ndarray | FailedItem]:
        """Every item as an array."""
        return map(self.array, range(self._count))

    def array(self, row: int) -> np.ndarray | FailedItem:
        content = self.items.content(row)
        try:
            return content if isinstance(content, FailedItem) else as_array(content)
        except ValueError as error:
            return FailedItem(str(error))

    @cached_property
    def first(self) -> np.ndarray:
        """The first item that can be had.

        Raises
        ------
        ValueError
            In one line if there is none.
        """
        reason = ""
        for array in self.arrays():
            if not isinstance(array, FailedItem):
                return array
            reason = reason or array.reason
        raise ValueError(f"{self.data}: none of its {self._count} items can be used; item 0: {reason}")

    def check(self) -> None:
        """Raises ValueError if the first item that can be had is no image; notes which axis was taken."""
        for row in range(self._count):
            content = self.items.content(row)
            if isinstance(content, FailedItem):
                continue
            try:
                pixels = as_pixels(content, self.layout)
            except ValueError as error:
                raise ValueError(f"{self.data}, item {row}: {error}") from error
            channels = pixels.shape[2] if isinstance(pixels, np.ndarray) and pixels.ndim == 3 else 0
            if channels > 4 and self.layout is None:
                self.notes = [
                    f"items of shape {tuple(content.shape)} are taken as images of {channels} channels;"
                    " set images.layout to say otherwise"
                ]
            return

    def _record(self, row: int) -> Record:
        content = self.items.content(row)
        if isinstance(content, FailedItem):
            return content
        try:
            pixels = as_pixels(content, self.layout)
        except ValueError as error:
            return FailedItem(str(error))
        if isinstance(pixels, bytes):
            return BytesImage(pixels)
        if isinstance(pixels, Image.Image):
            return PillowImage(pixels)
        return FileImage(str(pixels)) if isinstance(pixels, str | Path) else pixels


def _is_decoded(split: Any) -> bool:
    """Whether the items are images that have to be decoded, by the first that can be had."""
    items = Items("", split, ImagesConfig())
    for row in range(len(items)):
        content = items.content(row)
        if not isinstance(content, FailedItem):
            return isinstance(content, Image.Image | str | Path | bytes)
    return False
