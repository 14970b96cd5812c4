"""Which views belong together: the symmetric pair graph A, and its product with a block of vectors.

A takes the place of P/(2n), the swap of two views, wherever the theory of pairs has it: the modes of a kernel
K over the N views solve A K a = gamma a. Its entries sum to 1 (their magnitudes, where weights may be
negative), so x^T A y is a mean over positive pairs.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

EdgeBlock = tuple[NDArray[np.int64], NDArray[np.int64], scipy.sparse.csr_array]


class DeviceCopies:
    """Base of objects that keep NumPy or SciPy arrays and multiply tensors with them on any device.

    A copy is made once for each device and precision. Pickles and copies of the object leave them behind.
    """

    def _copy(self, name: str, like: Tensor) -> Tensor:
        """Return attribute `name` as a tensor on the device of `like`, and in its precision unless integer.

        SciPy CSR arrays become torch CSR tensors, which exist on CPU and CUDA.
        """
        copies = self.__dict__.setdefault("_copies", {})
        key = name, like.device, like.dtype
        if key not in copies:
            copies[key] = _tensor(getattr(self, name), like)
        return copies[key]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_copies"}


class PairGraph(DeviceCopies, ABC):
    """A symmetric (N, N) matrix over N views: how much each pair of views counts as a positive pair.

    Attributes
    ----------
    n_views : int
        N.
    n_samples : int
        How many samples the views show; for reports only.
    branches : tuple[slice, ...]
        Views whose means and variances a loss takes on their own (VICReg); all views, save in `paired`.

    Notes
    -----
    Made by `paired`, `grouped`, `from_matrix` and `unpaired`.
    """

    n_views: int
    n_samples: int

    @property
    def branches(self) -> tuple[slice, ...]:
        return (slice(0, self.n_views),)

    def product(self, block: Tensor) -> Tensor:
        """Return A @ block, (N, b) on the block's device, for a float32 or float64 block (N, b).

        Raises
        ------
        ValueError
            For a block of another shape.

        Examples
        --------
        >>> import torch
        >>> from eigenstep.kernel.pairs import paired
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

    def view_weights(self) -> NDArray[np.float64]:
        """Return how much each view counts, (N,), which add up to 1: A 1, of negative weights their sizes.

        With D = diag(view_weights) no function has |f^T A f| > f^T D f.
        """
        return self.row_sums()

    def norm_bound(self) -> float:
        """Return what no eigenvalue of A exceeds in size."""
        return float(self.row_sums().max())

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


def paired(n: int) -> PairGraph:
    """Return the graph of n pairs whose views are stacked x_1 .. x_n, x'_1 .. x'_n: A = P/(2n).

    P swaps the halves, so with rows X of all views X^T A X = 1/(2n) sum_i (x_i x'_i^T + x'_i x_i^T) = Gamma.
    Source: arXiv:2303.15438, section 3. ValueError for n < 1.

    Examples
    --------
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

    Examples
    --------
    >>> unpaired(2).matrix().toarray()
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    return UnpairedViews(_checked_count(n))


def weighted_views(weights: NDArray[np.float64]) -> PairGraph:
    """Return A = diag(weights), each view its own positive: modes are the views' principal directions.

    Parameters
    ----------
    weights : NDArray[np.float64]
        (N,) that add up to 1, such as a graph's `view_weights`.

    Examples
    --------
    >>> weighted_views(np.array([0.75, 0.25])).matrix().toarray()
    array([[0.75, 0.  ],
           [0.  , 0.25]])
    """
    even = bool((weights == weights[0]).all())
    return UnpairedViews(len(weights)) if even else WeightedViews(weights)


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


class WeightedViews(PairGraph):
    """Views that are their own positives and count differently; see `weighted_views`."""

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.n_views = self.n_samples = len(weights)
        self.weights = weights

    def _product(self, block: Tensor) -> Tensor:
        return block * self._copy("weights", block)[:, None]

    def matrix(self) -> scipy.sparse.csr_array:
        diagonal = _diagonal(self.weights.copy())
        diagonal.eliminate_zeros()
        return diagonal

    def row_sums(self) -> NDArray[np.float64]:
        return self.weights.copy()

    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        for rows in runs(self.n_views, size):
            yield rows, rows, _diagonal(self.weights[rows] / 2)


def _checked_count(n: int) -> int:
    if n < 1:
        raise ValueError(f"expected at least one sample, got {n}")
    return int(n)


def _scaled_identity(size: int, value: float) -> scipy.sparse.csr_array:
    return _diagonal(np.full(size, value))


def _diagonal(values: NDArray[np.float64]) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((values, np.arange(len(values)), np.arange(len(values) + 1)))


def runs(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Yield 0 .. count-1 in runs of at most `size`; ValueError for a size below 1.

    Examples
    --------
    >>> [run.tolist() for run in runs(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    if size < 1:
        raise ValueError(f"expected blocks of at least one row, got size {size}")
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


def _tensor(array: Any, like: Tensor) -> Tensor:
    if scipy.sparse.issparse(array):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                torch.tensor(array.indptr),
                torch.tensor(array.indices),
                torch.tensor(array.data, dtype=like.dtype),
                size=array.shape,
                device=like.device,
                check_invariants=False,
            )
    dtype = like.dtype if array.dtype.kind == "f" else None
    return torch.tensor(array, dtype=dtype, device=like.device)
