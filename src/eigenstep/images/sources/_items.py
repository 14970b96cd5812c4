"""The items of a data set of one's own: any object with `__len__` and `__getitem__`."""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import FailedItem
from eigenstep.images.sources._samples import Value

# The keys under which an item that is a mapping has its content and its label.
CONTENT, LABEL = ("image", "x"), ("label", "y")


class MixedItems(ValueError):
    """An item that is of another shape or type than the first: of the data set, not of one broken item."""


class Items:
    """A split: what stands for x, or (x, label), or {"image": x, "label": label} in each item.

    Items that draw random numbers are drawn by the seed and their row, so that an item is the same whenever
    it is read: what is to differ from step to step belongs in the views.

    Parameters
    ----------
    data : str
        What the data set is called in errors.
    """

    def __init__(self, data: str, dataset: Any, config: ImagesConfig, seed: int = 0) -> None:
        self.data, self.dataset, self.seed = data, dataset, seed
        self._content = (config.column,) if config.column else CONTENT
        self._label = (config.label,) if config.label else LABEL
        self._is_plain = isinstance(dataset, np.ndarray | Tensor | list | tuple)

    def __len__(self) -> int:
        return len(self.dataset)

    def content(self, row: int) -> Any:
        """x of an item, or a `FailedItem` in the place of one that raises.

        Raises
        ------
        ValueError
            In one line for items that are built otherwise, and for a second view in the place of a label.
        """
        try:
            item = self._get(row)
        except MixedItems:
            raise
        except Exception as error:  # a data set may raise anything
            return FailedItem(_in_one_line(error))
        content, label = self._split(item)
        if _shape(content) and _shape(content) == _shape(label):
            self._refuse_label(row, label)
        return content

    def label(self, row: int) -> Value:
        """The label of an item; None where it has none, or raises.

        Raises
        ------
        ValueError
            In one line, if it is neither the number of a class nor a name.
        """
        try:
            item = self._get(row)
        except Exception:  # as above
            return None
        label = self._split(item)[1]
        if isinstance(label, Tensor | np.ndarray | np.generic):
            if label.ndim:
                self._refuse_label(row, label)
            label = label.item()
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        if label is not None and not isinstance(label, int | str):
            self._refuse_label(row, label)
        return label

    def _get(self, row: int) -> Any:
        if self._is_plain:
            return self.dataset[row]
        with _drawn_by(self.seed, row):
            return self.dataset[row]

    def _split(self, item: Any) -> tuple[Any, Any]:
        if isinstance(item, Mapping):
            names = [name for name in self._content if name in item]
            if not names:
                raise ValueError(
                    f"{self.data}: expected items with a key {' or '.join(self._content)}, got"
                    f" {', '.join(map(str, item))}; name the one to use by images.column"
                )
            labels = [item[name] for name in self._label if name in item]
            return item[names[0]], labels[0] if labels else None
        if not isinstance(item, tuple):
            return item, None
        if len(item) > 2 or not item:
            raise ValueError(
                f"{self.data}: expected items x, (x, label) or mappings, got tuples of {len(item)}"
            )
        return item[0], item[1] if len(item) == 2 else None

    def _refuse_label(self, row: int, label: Any) -> NoReturn:
        kind = f"of shape {tuple(label.shape)}" if hasattr(label, "shape") else f"of {type(label).__name__}"
        raise ValueError(
            f"{self.data}: expected the label of item {row} to be the number of a class or its name, got one"
            f" {kind}; two views that belong together are one tensor (2, ...), which views= takes apart"
        )


def as_array(content: Any) -> np.ndarray:
    """An item's tensor, array or numbers as a NumPy array, of a type that torch has too.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(content, FailedItem):
        raise ValueError(content.reason)
    if isinstance(content, Tensor):
        content = content.detach().cpu()
        array = (content.float() if content.dtype == torch.bfloat16 else content).numpy()
    elif isinstance(content, np.ndarray | np.generic | int | float | list):
        array = np.asarray(content)
    else:
        raise ValueError(f"expected a tensor, an array or numbers, got {type(content).__name__}")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return array.astype({2: np.int32, 4: np.int64}.get(array.dtype.itemsize, np.float64))
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype == np.longdouble:
        raise ValueError(f"expected numbers, got an array of {array.dtype}")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_pixels(content: Any, layout: str | None) -> "Image.Image | np.ndarray | str | Path | bytes":
    """An item's image as it is decoded: of arrays and tensors the pixels, (H, W) or (H, W, C).

    Tensors are (C, H, W) and arrays (H, W, C), as torchvision and Pillow have them, unless `layout` says
    otherwise.

    Raises
    ------
    ValueError
        In one line, if it is not an image, or if its axes do not fit this.
    """
    if isinstance(content, Image.Image | str | Path | bytes):
        return content
    is_tensor = isinstance(content, Tensor)
    pixels = as_array(content)
    if pixels.ndim == 2:
        return pixels
    kind = f"{'a tensor' if is_tensor else 'an array'} of shape {pixels.shape}"
    if pixels.ndim != 3 or not pixels.size:
        raise ValueError(f"expected an image, got {kind}; data other than images need views=")
    chosen = (layout or "").removeprefix("N") or ("CHW" if is_tensor else "HWC")
    if layout is None:
        channels, other = (0, 2) if chosen == "CHW" else (2, 0)
        if pixels.shape[channels] >= min(pixels.shape[1], pixels.shape[other]) or (
            pixels.shape[other] <= 4 and pixels.shape[channels] > 1
        ):
            raise ValueError(
                f"expected {chosen} with fewer channels than pixels, got {kind}; set images.layout to HWC or"
                " CHW"
            )
    return np.moveaxis(pixels, 0, 2) if chosen == "CHW" else pixels


@contextmanager
def _drawn_by(seed: int, row: int) -> Iterator[None]:
    """Random states of torch, NumPy and Python that a row determines; afterwards they are what they were."""
    of_torch, of_python = torch.default_generator.get_state(), random.getstate()
    of_numpy = np.random.get_state()  # noqa: NPY002  # which data sets of others use
    drawn = int(np.random.SeedSequence([seed, 4, row]).generate_state(1)[0])
    torch.default_generator.manual_seed(drawn)
    np.random.seed(drawn)  # noqa: NPY002
    random.seed(drawn)
    try:
        yield
    finally:
        torch.default_generator.set_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor | np.ndarray) else None


def _in_one_line(error: Exception) -> str:
    reason = str(error).strip().partition(os.linesep)[0].partition("\n")[0]
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
