"""Embeddings in a file of any kind, a block of rows at a time or whole, and what it says of each row."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings._formats import FORMATS, embeddings_suffix
from eigenstep.embeddings._missing import nonfinite_rows, rows_in_words
from eigenstep.embeddings._stored import Content, Stored
from eigenstep.machine import available_memory, size_in_words

# What is read unless a column is named, as `eigenstep embed` names it.
EMBEDDING = "embedding"


def open_rows(path: str | Path, column: str | None = None, *, default: str | None = None) -> "Rows":
    """Embeddings in a file whose name ends in one of `SUFFIXES`; none is read yet.

    Nothing is unpickled: .pt files may hold tensors, NumPy's arrays, numbers and texts, and dictionaries and
    lists of them. What lies there in parts is one array: vectors by their names, batches, or columns of a
    table, one per dimension; `Rows.taken` says what was taken. Axes of length one are left out.

    Parameters
    ----------
    column : str | None
        The array's name; by default the only one that can be embeddings, or `embedding`.
    default : str | None
        a name that is taken, if it is there, before these two.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line, if the file cannot be read as embeddings of two or more rows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/embeddings.npy", np.eye(3, 2))
    ...     rows = open_rows(f"{folder}/embeddings.npy")
    ...     rows.count, rows.dim
    (3, 2)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    suffix = embeddings_suffix(path)
    if suffix is None:
        raise ValueError(f"expected a name that ends in {', '.join(FORMATS)}, got {path}")
    content = FORMATS[suffix](path)
    arrays = content.arrays
    name = _choose(path, arrays, default) if column is None else column
    if name not in arrays and name not in content.parts:
        raise ValueError(f"{path} has no column {name!r}; it has {_listed(arrays)}")
    rows = Rows(path, name, content)
    stored = rows.stored
    if not stored.is_embeddings:
        raise ValueError(f"{rows}: expected numbers of shape (rows, dimensions), got {stored}")
    if stored.shape[0] < 2 or not stored.dim:
        raise ValueError(f"{rows}: expected two rows or more, got {stored}")
    return rows


@dataclass(frozen=True)
class Rows:
    """Embeddings (count, dim) in a file.

    Attributes
    ----------
    column : str | None
        The array's name in the file, or None if it has none.
    content : Content
        All that the file holds.
    """

    path: Path
    column: str | None
    content: Content

    @property
    def stored(self) -> Stored:
        arrays = self.content.arrays
        return arrays[self.column] if self.column in arrays else self.content.parts[self.column]

    @property
    def count(self) -> int:
        return self.stored.shape[0]

    @property
    def dim(self) -> int:
        return self.stored.dim

    @property
    def taken(self) -> str:
        """In words, what the embeddings were made of; empty where they are an array as it is."""
        stored = self.stored
        axes = (
            f"{'×'.join(map(str, stored.shape))} without axes of length one" if len(stored.shape) > 2 else ""
        )
        return "; ".join(filter(None, [stored.made_of, axes]))

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the other arrays that could be embeddings."""
        arrays = self.content.arrays.items()
        return tuple(str(name) for name, array in arrays if array.is_embeddings and name != self.column)

    @property
    def description(self) -> dict[str, Any]:
        """What `eigenstep embed` says of its file: `run`, `checkpoint`, `data`, `split`, `class_names`."""
        try:
            told = json.loads(self.content.description or "{}")
        except ValueError:  # it is someone else's
            return {}
        return told if isinstance(told, dict) and {"data", "split"} <= set(told) else {}

    @cached_property
    def image_hash(self) -> NDArray[np.str_] | None:
        """What names each row's image, (count,), see `eigenstep.images.image_hashes`, if the file tells.

        Raises
        ------
        ValueError
            For anything but a name of each row.
        """
        names = self._beside("image_hash")
        if names is not None and names.dtype.kind != "U":
            raise ValueError(self._unfit("image_hash", "name", names))
        return names

    @cached_property
    def paths(self) -> NDArray[np.str_] | None:
        """The file of each row's image, (count,), empty where it has none, if the file tells."""
        names = self._beside("path")
        return None if names is None else np.array([name or "" for name in names.tolist()], dtype=str)

    def labels(self, name: str = "label") -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The rows' labels, (count,) integers or words, and which rows have one, (count,).

        A row has none where the file has no value, NaN, or, as `eigenstep embed` writes it, -1.

        Raises
        ------
        ValueError
            If the file has no such column, or it holds anything else.
        """
        values = self._beside(name)
        if values is None:
            raise ValueError(f"{self.path} has no labels: no column {name!r}; it has {self._listed()}")
        given = np.array([value is not None and value == value for value in values.tolist()])
        if values.dtype.kind in "fO" and given.any():  # a column with gaps, as pandas writes it
            values = _filled(values, given)
        if self.description and values.dtype.kind == "i":
            given &= values != -1
        if values.dtype.kind not in "iubU":
            raise ValueError(self._unfit(name, "class, an integer or a word,", values))
        return (values.astype(np.int64) if values.dtype.kind == "b" else values), given

    def blocks(self, size: int) -> Iterator[Tensor]:
        """All rows in order, `size` at a time, the last ones fewer, in the type that they are kept in."""
        waiting: list[Tensor] = []
        held = 0
        for piece in self.stored.pieces(size):
            piece = piece.flatten(1)
            while len(piece):
                taken = piece[: size - held]
                waiting.append(taken)
                held += len(taken)
                piece = piece[len(taken) :]
                if held == size:
                    yield torch.cat(waiting)
                    waiting, held = [], 0
        if held:
            yield torch.cat(waiting)

    def whole(self) -> Tensor:
        """All rows (count, dim), in the type that they are kept in.

        Raises
        ------
        ValueError
            Where they do not fit into memory, and where a row has no value, or one that is not finite.
        """
        needed, available = 8 * self.count * self.dim, available_memory()
        if available is not None and needed > available:
            raise ValueError(
                f"{self}: {self.stored} need up to {size_in_words(needed)} of memory, and"
                f" {size_in_words(available)} are free; expected fewer rows"
            )
        values = torch.cat(list(self.blocks(self.count)))
        if missing := nonfinite_rows(values):
            raise ValueError(
                f"{self}: expected finite numbers throughout, found missing or non-finite values in"
                f" {rows_in_words(missing)}; leave these rows out"
            )
        return values

    def __str__(self) -> str:
        return f"{self.path}, {self.column}" if self.column is not None else str(self.path)

    def _beside(self, name: str) -> NDArray[Any] | None:
        """A value of each row from another array, or None if the file has none."""
        if name not in self.content.arrays:
            return None
        values = self.content.arrays[name].whole()
        if values.shape != (self.count,):
            raise ValueError(self._unfit(name, "value" if name == "label" else "name", values))
        return values

    def _unfit(self, name: str, one: str, values: NDArray[Any]) -> str:
        return (
            f"{self.path}: expected {name} with a {one} of each of the {self.count} rows of {self.column},"
            f" got {values.dtype} of shape {values.shape}"
        )

    def _listed(self) -> str:
        return _listed(self.content.arrays)


def _filled(values: NDArray[Any], given: NDArray[np.bool_]) -> NDArray[Any]:
    """Integers or words where all values that are there are such, with 0 or "" for those that are not."""
    there = np.array(values[given].tolist())
    if there.dtype.kind == "f" and (there == np.floor(there)).all() and (np.abs(there) < 2**53).all():
        there = there.astype(np.int64)
    if there.dtype.kind not in "iubU":
        return values
    filled = np.zeros(len(values), there.dtype)
    filled[given] = there
    return filled


def _choose(path: Path, arrays: dict[str | None, Stored], default: str | None) -> str | None:
    fitting = [name for name, array in arrays.items() if array.is_embeddings]
    for name in (default, EMBEDDING):
        if name in fitting:
            return name
    if len(arrays) == 1:
        return next(iter(arrays))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ValueError(
            f"{path}: expected a column of vectors, shape (rows, dimensions); it has {_listed(arrays)}"
        )
    raise ValueError(f"{path} has several columns of vectors; name one as column: {_listed(arrays, fitting)}")


def _listed(arrays: dict[str | None, Stored], names: list[str | None] | None = None, most: int = 8) -> str:
    chosen = list(arrays) if names is None else names
    shown = [f"{name} ({arrays[name]})" if name is not None else str(arrays[name]) for name in chosen[:most]]
    return ", ".join(shown) + (f" and {len(chosen) - most} more" if len(chosen) > most else "") or "nothing"
