"""An array in a file, and embeddings in it as blocks of rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """An array as a file holds it.

    Attributes
    ----------
    shape : its shape; for a column of lists its rows and the length of the first one
    kind : its type, for people
    numeric : whether its values are real numbers
    pieces : called with a number of rows; gives all of them in order, about so many at once
    """

    shape: tuple[int, ...]
    kind: str
    numeric: bool
    pieces: Callable[[int], Iterator[Tensor]]

    @property
    def is_embeddings(self) -> bool:
        """Whether it can be embeddings at all."""
        return self.numeric and len(self.shape) == 2

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.shape)) or 'one value'} of {self.kind}"


@dataclass(frozen=True)
class Rows:
    """Embeddings (count, dim) in a file.

    Attributes
    ----------
    column : the array's name in the file, or None if it has none
    others : names of the other arrays that could be embeddings
    """

    path: Path
    column: str | None
    others: tuple[str, ...]
    stored: Stored

    @property
    def count(self) -> int:
        return self.stored.shape[0]

    @property
    def dim(self) -> int:
        return self.stored.shape[1]

    def blocks(self, size: int) -> Iterator[Tensor]:
        """All rows in order, `size` at a time, the last ones fewer, in the type that they are kept in."""
        waiting: list[Tensor] = []
        held = 0
        for piece in self.stored.pieces(size):
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
