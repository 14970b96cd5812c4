"""Which rows are nearest to which, exactly, a block of rows at a time."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Similarities held at a time: 64 MB in float32.
BLOCK_ENTRIES = 2**24
# Rows that are compared at once with a block of all others: the more, the less often all are read.
QUERIES = 2**14

Blocks = Callable[[], Iterable[Tensor]]


def nearest_rows(
    blocks: Blocks,
    count: int,
    neighbours: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows nearest to each row by cosine distance, 1 - cos, the nearest first and never itself.

    All pairs are compared, in float32: the time grows with n². The rows are read once for every 16,384 of
    them; held are these, a block and the answer. A row of zeros is at distance 1 from every other. Of rows
    that are as near the last ones may be any.

    Parameters
    ----------
    blocks : Callable[[], Iterable[Tensor]]
        Gives all rows (n, p) anew, a block after the other.
    count : int
        n.
    neighbours : int
        k; n - 1 if there are fewer.

    Returns
    -------
    ids : NDArray[np.int64]
        (n, k) numbers of rows.
    distances : NDArray[np.float32]
        (n, k), ascending.

    Examples
    --------
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> ids, distances = nearest_rows(lambda: [rows], 3, 1)
    >>> ids.tolist(), (100 * distances).round().tolist()
    ([[2], [2], [0]], [[11.0], [55.0], [11.0]])
    """
    kept = min(neighbours, count - 1)
    ids, distances = np.empty((count, kept), np.int64), np.empty((count, kept), np.float32)
    for start in range(0, count, QUERIES):
        queries = _unit_rows(_rows(blocks, start, QUERIES).to(device))
        near, places = _nearest_of(queries, start, blocks, kept)
        ids[start : start + QUERIES] = places.cpu().numpy()
        distances[start : start + QUERIES] = (1 - near).clamp(min=0).cpu().numpy()
        if progress:
            progress(min(start + QUERIES, count), count)
    return ids, distances


def _nearest_of(queries: Tensor, first: int, blocks: Blocks, kept: int) -> tuple[Tensor, Tensor]:
    """The largest cosines of queries, which are the rows from `first` on, and whose they are."""
    near = queries.new_full((len(queries), kept), -torch.inf)
    places = torch.zeros_like(near, dtype=torch.int64)
    start = 0
    for block in blocks():
        for part in block.split(max(1, BLOCK_ENTRIES // len(queries))):
            similar = queries @ _unit_rows(part.to(queries)).T
            low, high = max(start, first), min(start + len(part), first + len(queries))
            if low < high:  # queries are among them
                similar[low - first : high - first, low - start : high - start].fill_diagonal_(-torch.inf)
            here = torch.arange(start, start + len(part), device=queries.device).expand_as(similar)
            joined, whose = torch.cat([near, similar], 1), torch.cat([places, here], 1)
            near, best = joined.topk(kept, 1)
            places = whose.gather(1, best)
            start += len(part)
    return near, places


def _rows(blocks: Blocks, start: int, most: int) -> Tensor:
    """At most so many of the rows, from one on."""
    found, place = list[Tensor](), 0
    for block in blocks():
        if place + len(block) > start:
            found.append(block[max(start - place, 0) : start + most - place])
        place += len(block)
        if place >= start + most:
            break
    return torch.cat(found)


def _unit_rows(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.float(), dim=1, eps=1e-30)
