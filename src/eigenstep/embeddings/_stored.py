"""Arrays as a file holds them, before any of them is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """An array as a file holds it.

    Attributes
    ----------
    shape : tuple[int, ...]
        Its shape; for a column of lists its rows and the length of the first one.
    kind : str
        Its type, for people.
    numeric : bool
        Whether its values are real numbers.
    pieces : Callable[[int], Iterator[Tensor]]
        Called with a number of rows; gives all of them in order, about so many at once; of embeddings.
    whole : Callable[[], NDArray[Any]]
        Gives all at once; of labels and names. A row without one is NaN or None.
    """

    shape: tuple[int, ...]
    kind: str
    numeric: bool
    pieces: Callable[[int], Iterator[Tensor]]
    whole: Callable[[], NDArray[Any]]

    @property
    def is_embeddings(self) -> bool:
        """Whether it can be embeddings at all."""
        return self.numeric and len(self.shape) == 2

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
    """

    arrays: dict[str | None, Stored]
    description: str = ""
