"""Every 1st, 2nd, 4th, ... row of a source that grows, so that thinning never sends a row twice."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np


def stride_for(count: int, most: int) -> int:
    """The smallest power of two that leaves at most `most` of `count` rows.

    Examples
    --------
    >>> stride_for(1000, 1024), stride_for(10_000, 1024)
    (1, 16)
    """
    stride = 1
    while (count + stride - 1) // stride > most:
        stride *= 2
    return stride


class Thinned:
    """The rows of a source whose index is a multiple of `stride`, kept in memory, and its last row.

    When there are too many, every other one is forgotten. A reader who knows the stride forgets the same
    ones, so it is only ever told of rows that it has not seen.

    Examples
    --------
    >>> source = list("abcdefghij")
    >>> rows = Thinned(4)
    >>> rows.extend(6, lambda indices: [source[i] for i in indices])
    >>> rows.since(0)
    [(0, 'a'), (2, 'c'), (4, 'e'), (5, 'f')]
    >>> rows.extend(10, lambda indices: [source[i] for i in indices])
    >>> rows.stride, rows.since(6)
    (4, [(8, 'i'), (9, 'j')])
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.clear()

    def clear(self) -> None:
        self.count = 0
        self.stride = 1
        self._kept: list[Any] = []
        self._last: Any = None

    def extend(self, count: int, read: Callable[[Iterable[int]], Sequence[Any]]) -> None:
        """Take up the rows from the last count on; `read(indices)` gives rows of the source."""
        if count <= self.count:
            return
        stride = stride_for(count, self.most)
        self._kept = self._kept[:: stride // self.stride]
        wanted = range(len(self._kept) * stride, count, stride)
        rows = read([*wanted, count - 1])
        if len(rows) != len(wanted) + 1:
            return  # cut short this moment; the next look finds out
        self.stride, self.count = stride, count
        self._kept.extend(rows[: len(wanted)])
        self._last = rows[-1]

    @property
    def first(self) -> Any:
        return self._kept[0]

    @property
    def last(self) -> Any:
        return self._last

    def since(self, seen: int) -> list[tuple[int, Any]]:
        """Index and row of those that a reader who knows the first `seen` rows of the source lacks."""
        first = (seen + self.stride - 1) // self.stride
        new = [(index * self.stride, self._kept[index]) for index in range(first, len(self._kept))]
        if self.count > seen and (self.count - 1) % self.stride:
            new.append((self.count - 1, self._last))
        return new

    def rows(self) -> list[Any]:
        """All that is kept, the last row among it."""
        return [row for _, row in self.since(0)]


def padded(rows: list[np.ndarray], width: int = 0) -> np.ndarray:
    """Rows (n, width), as wide as the widest; what the others lack is NaN.

    Examples
    --------
    >>> padded([np.array([1.0]), np.array([2.0, 3.0])])
    array([[ 1., nan],
           [ 2.,  3.]])
    """
    table = np.full((len(rows), max([width, *map(len, rows)])), np.nan)
    for target, row in zip(table, rows, strict=True):
        target[: len(row)] = row
    return table
