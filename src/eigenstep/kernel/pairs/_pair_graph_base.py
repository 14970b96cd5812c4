"""What every pair graph offers: its product with a block of vectors, and its pairs in pieces."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.pairs._device_copies import DeviceCopies

EdgeBlock = tuple[NDArray[np.int64], NDArray[np.int64], scipy.sparse.csr_array]


class PairGraph(DeviceCopies, ABC):
    """A symmetric (N, N) matrix over N views: how much each pair of views counts as a positive pair.

    n_views : N
    n_samples : how many samples the views show; for reports only
    branches : views whose means and variances a loss takes on their own (VICReg); all views, save in `paired`

    Made by `paired`, `grouped`, `from_matrix` and `unpaired`.
    """

    n_views: int
    n_samples: int

    @property
    def branches(self) -> tuple[slice, ...]:
        return (slice(0, self.n_views),)

    def product(self, block: Tensor) -> Tensor:
        """Return A @ block, (N, b) on the block's device, for a float32 or float64 block (N, b).

        Raises ValueError for a block of another shape.

        >>> import torch
        >>> from eigenstep.kernel.pairs._pair_graph import paired
        >>> paired(2).product(torch.tensor([[4.0], [8.0], [12.0], [16.0]])).T
        tensor([[3., 4., 1., 2.]])
        """
        if block.ndim != 2 or len(block) != self.n_views:
            raise ValueError(
                f"expected a block of shape ({self.n_views}, b), a row a view, got {tuple(block.shape)}"
            )
        return self._product(block)

    @abstractmethod
    def matrix(self) -> scipy.sparse.csr_array:
        """Return A as float64 CSR; a group of v views has v (v - 1) entries."""

    @abstractmethod
    def row_sums(self) -> NDArray[np.float64]:
        """Return A 1, (N,)."""

    @abstractmethod
    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        """Yield A in pieces (rows (r,), columns (c,), weights (r, c)) with r and c at most `size`.

            A = sum over pieces of E_rows weights E_columns^T, plus the transpose of that sum

        so that each pair of views comes once, and an entry of the diagonal is halved. Rows, and columns, of a
        piece are distinct; where they are the same views they are the same array (`columns is rows`).
        For features Phi, Phi^T A Phi thus needs the features of two short lists of views at a time.
        """

    @abstractmethod
    def _product(self, block: Tensor) -> Tensor: ...


def runs(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Yield 0 .. count-1 in runs of at most `size`; ValueError for a size below 1."""
    if size < 1:
        raise ValueError(f"expected blocks of at least one row, got size {size}")
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
