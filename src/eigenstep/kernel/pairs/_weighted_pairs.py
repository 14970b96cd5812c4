"""Pairs with any weights: the pair graph of a symmetric matrix."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.pairs._pair_graph import EdgeBlock, PairGraph, runs


def from_matrix(matrix: Any) -> PairGraph:
    """Return the graph of a symmetric (N, N) matrix of weights, SciPy sparse or dense.

    The weights are divided by the sum of their magnitudes, so that A is a mean over pairs and eigenvalues do
    not depend on the weights' unit. They may be negative (views to be told apart), and the diagonal counts.

    Raises
    ------
    ValueError
        Not square, not finite, not symmetric (to 1e-6 of the largest entry), or without a positive weight.

    Examples
    --------
    >>> from_matrix([[0, 3, 0], [3, 0, 1], [0, 1, 0]]).matrix().toarray()
    array([[0.   , 0.375, 0.   ],
           [0.375, 0.   , 0.125],
           [0.   , 0.125, 0.   ]])
    """
    given = matrix if scipy.sparse.issparse(matrix) else np.asarray(matrix)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.shape[0] == 0:
        raise ValueError(f"expected a square pair graph of shape (N, N), got {given.shape}")
    if given.dtype.kind not in "biuf":
        raise ValueError(f"expected a pair graph of real numbers, got dtype {given.dtype}")
    weights = scipy.sparse.csr_array(given, dtype=np.float64, copy=True)
    weights.sum_duplicates()
    if not np.isfinite(weights.data).all():
        raise ValueError("expected a finite pair graph, got NaN or infinity")
    if weights.max() <= 0:
        raise ValueError(
            "no mode is learned without positive pairs: expected a pair graph with at least one pair of"
            f" positive weight, got {'all zeros' if weights.min() == 0 else 'no weight above 0'}"
        )
    asymmetry = float(abs(weights - weights.T).max())
    if asymmetry > 1e-6 * float(abs(weights).max()):
        raise ValueError(
            f"expected a symmetric pair graph, got entries that differ by {asymmetry:.3g} from their mirror; "
            "pass (A + A.T) / 2"
        )
    return normalised(weights)


def normalised(weights: scipy.sparse.csr_array) -> PairGraph:
    """Return the graph of weights (N, N) that are symmetric but for rounding, over the sum of their sizes."""
    total = float(abs(weights).sum())
    return MatrixGraph(scipy.sparse.csr_array((weights + weights.T) / (2 * total)))


class MatrixGraph(PairGraph):
    """Any symmetric weights; see `from_matrix`. `n_samples` counts two views for each sample."""

    def __init__(self, weights: scipy.sparse.csr_array) -> None:
        self.n_views = weights.shape[0]
        self.n_samples = (self.n_views + 1) // 2
        self.weights = weights

    def _product(self, block: Tensor) -> Tensor:
        if block.device.type not in ("cpu", "cuda"):
            # No other backend multiplies CSR tensors.
            return self._product(block.cpu()).to(block.device)
        return self._copy("weights", block) @ block

    def matrix(self) -> scipy.sparse.csr_array:
        return self.weights.copy()

    def row_sums(self) -> NDArray[np.float64]:
        return np.asarray(self.weights.sum(axis=1))

    def view_weights(self) -> NDArray[np.float64]:
        return np.asarray(abs(self.weights).sum(axis=1))

    def norm_bound(self) -> float:
        return float(self.view_weights().max())

    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        halved = scipy.sparse.diags_array(self.weights.diagonal() / 2, format="csr")
        once = scipy.sparse.csr_array(scipy.sparse.triu(self.weights, k=1, format="csr") + halved)
        for rows in runs(self.n_views, size):
            strip = once[rows[0] : rows[-1] + 1]
            columns, local = np.unique(strip.indices, return_inverse=True)
            narrow = scipy.sparse.csr_array(
                (strip.data, local, strip.indptr), shape=(len(rows), len(columns))
            )
            for run in runs(len(columns), size):
                piece = narrow[:, run[0] : run[-1] + 1]
                used = np.flatnonzero(np.diff(piece.indptr))
                yield rows[used], columns[run].astype(np.int64), piece[used]
