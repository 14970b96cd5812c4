"""Arrays as a file holds them, before any of them is read."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """An array as a file holds it.

    Attributes
    ----------
    shape : tuple[int, ...]
        Its shape; for a column of lists its rows and the shape of the first one that is not empty.
    kind : str
        Its type, for people.
    numeric : bool
        Whether its values are real numbers.
    pieces : Callable[[int], Iterator[Tensor]]
        Called with a number of rows; gives all of them in order, about so many at once; of embeddings. A row
        without a value is NaN.
    whole : Callable[[], NDArray[Any]]
        Gives all at once; of labels and names. A row without one is NaN or None.
    made_of : str
        In words, what it was put together from; empty for an array of its own.
    named : bool
        Whether the file has a name for it, if it has any; a table has none for columns, one per dimension.
    """

    shape: tuple[int, ...]
    kind: str
    numeric: bool
    pieces: Callable[[int], Iterator[Tensor]]
    whole: Callable[[], NDArray[Any]]
    made_of: str = ""
    named: bool = True

    @property
    def is_embeddings(self) -> bool:
        """Whether it can be embeddings at all: rows of vectors, besides axes of length one."""
        return self.numeric and len(self.shape) > 1 and is_vector(self.shape[1:])

    @property
    def dim(self) -> int:
        return math.prod(self.shape[1:])

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.shape)) or 'one value'} of {self.kind}"


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    arrays : dict[str | None, Stored]
        By name; the only one of a file without names by None.
    description : str
        What `eigenstep embed` says of its files, as JSON; empty where there is none.
    parts : dict[str | None, Stored]
        What some of them are made of, for those who ask for one by its name.
    """

    arrays: dict[str | None, Stored]
    description: str = ""
    parts: dict[str | None, Stored] = field(default_factory=dict)


def is_vector(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is a vector besides axes of length one."""
    return len(shape) > 0 and sum(size != 1 for size in shape) <= 1


def texts(values: list[str]) -> Stored:
    """A column of texts."""
    return Stored((len(values),), "texts", False, lambda rows: iter(()), lambda: np.array(values, dtype=str))
