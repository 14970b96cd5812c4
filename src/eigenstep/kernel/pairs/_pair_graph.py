"""Which views belong together: the symmetric pair graph A, and its product with a block of vectors.

A takes the place of P/(2n), the swap of two views, wherever the theory of pairs has it: the modes of a kernel
K over the N views solve A K a = gamma a. Its entries sum to 1 (their magnitudes, where weights may be
negative), so x^T A y is a mean over positive pairs.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.pairs._grouped_views import grouped
from eigenstep.kernel.pairs._pair_graph_base import EdgeBlock, PairGraph, runs
from eigenstep.kernel.pairs._weighted_pairs import from_matrix

__all__ = ["PairGraph", "from_matrix", "grouped", "paired", "unpaired"]


def paired(n: int) -> PairGraph:
    """Return the graph of n pairs whose views are stacked x_1 .. x_n, x'_1 .. x'_n: A = P/(2n).

    P swaps the halves, so with rows X of all views X^T A X = 1/(2n) sum_i (x_i x'_i^T + x'_i x_i^T) = Gamma.
    Source: arXiv:2303.15438, section 3. ValueError for n < 1.

    >>> paired(2).matrix().toarray()
    array([[0.  , 0.  , 0.25, 0.  ],
           [0.  , 0.  , 0.  , 0.25],
           [0.25, 0.  , 0.  , 0.  ],
           [0.  , 0.25, 0.  , 0.  ]])
    """
    return PairedViews(_checked_count(n))


def unpaired(n: int) -> PairGraph:
    """Return A = I/n over n views, each its own positive: modes are those of plain kernel PCA.

    It is the graph of n pairs of identical views with each view kept once. ValueError for n < 1.

    >>> unpaired(2).matrix().toarray()
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    return UnpairedViews(_checked_count(n))


class PairedViews(PairGraph):
    """Two views of each of n samples, stacked; see `paired`."""

    def __init__(self, n: int) -> None:
        self.n_views, self.n_samples = 2 * n, n

    @property
    def branches(self) -> tuple[slice, ...]:
        return slice(0, self.n_samples), slice(self.n_samples, self.n_views)

    def _product(self, block: Tensor) -> Tensor:
        first, second = block.tensor_split(2)
        return torch.cat((second, first)).div_(self.n_views)

    def matrix(self) -> scipy.sparse.csr_array:
        n, size = self.n_samples, self.n_views
        partners = np.concatenate((np.arange(n, size), np.arange(n)))
        return scipy.sparse.csr_array((np.full(size, 1 / size), partners, np.arange(size + 1)))

    def row_sums(self) -> NDArray[np.float64]:
        return np.full(self.n_views, 1 / self.n_views)

    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        for rows in runs(self.n_samples, size):
            yield rows, rows + self.n_samples, _scaled_identity(len(rows), 1 / self.n_views)


class UnpairedViews(PairGraph):
    """Views that are their own positives; see `unpaired`."""

    def __init__(self, n: int) -> None:
        self.n_views = self.n_samples = n

    def _product(self, block: Tensor) -> Tensor:
        return block / self.n_views

    def matrix(self) -> scipy.sparse.csr_array:
        return _scaled_identity(self.n_views, 1 / self.n_views)

    def row_sums(self) -> NDArray[np.float64]:
        return np.full(self.n_views, 1 / self.n_views)

    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        for rows in runs(self.n_views, size):
            yield rows, rows, _scaled_identity(len(rows), 0.5 / self.n_views)


def _checked_count(n: int) -> int:
    if n < 1:
        raise ValueError(f"expected at least one sample, got {n}")
    return int(n)


def _scaled_identity(size: int, value: float) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((np.full(size, value), np.arange(size), np.arange(size + 1)))
