"""A pair graph plus a diagonal plus a few directions: what an objective, or centring, makes of the graph."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel.pairs._pair_graph import DeviceCopies, PairGraph

LowRank = tuple[NDArray[np.float64], NDArray[np.float64]]


class PairOperator(DeviceCopies):
    """The symmetric (N, N) operator  scale graph + diag(diagonal) + U S U^T.

    Parameters
    ----------
    graph : PairGraph
        Pair graph over N views.
    scale : float
        Factor of the graph.
    diagonal : float | NDArray[np.float64]
        (N,), or one number for all views.
    low_rank : LowRank | None
        U (N, r) and S (r, r), S symmetric; none is r = 0.

    Raises
    ------
    ValueError
        Shapes that do not match.

    Examples
    --------
    >>> from eigenstep.kernel.pairs import paired
    >>> PairOperator(paired(1), scale=2.0, diagonal=0.5).dense()
    array([[0.5, 1. ],
           [1. , 0.5]])
    """

    def __init__(
        self,
        graph: PairGraph,
        scale: float = 1.0,
        diagonal: float | NDArray[np.float64] = 0.0,
        low_rank: LowRank | None = None,
    ) -> None:
        size = graph.n_views
        if low_rank is None:
            low_rank = np.zeros((size, 0)), np.zeros((0, 0))
        vectors, middle = low_rank
        if np.shape(diagonal) not in ((), (size,)):
            raise ValueError(f"expected a number or a diagonal of shape ({size},), got {np.shape(diagonal)}")
        if vectors.shape != (size, len(middle)) or middle.shape != (len(middle), len(middle)):
            raise ValueError(f"expected U ({size}, r) and S (r, r), got {vectors.shape} and {middle.shape}")
        self.graph, self.scale, self.diagonal = graph, scale, diagonal
        self._vectors, self._middle = vectors, middle

    @property
    def low_rank(self) -> LowRank:
        """U (N, r) and S (r, r)."""
        return self._vectors, self._middle

    @property
    def n_views(self) -> int:
        return self.graph.n_views

    def product(self, block: Tensor) -> Tensor:
        """Return the operator times a float32 or float64 block (N, b), (N, b) on the block's device.

        Raises
        ------
        ValueError
            For a block of another shape.
        """
        product = self.graph.product(block)
        if self.scale != 1:
            product = product.mul_(self.scale)
        if isinstance(self.diagonal, np.ndarray):
            product.addcmul_(self._copy("diagonal", block)[:, None], block)
        elif self.diagonal != 0:
            product.add_(block, alpha=float(self.diagonal))
        if len(self._middle):
            vectors = self._copy("_vectors", block)
            product.addmm_(vectors, self._copy("_middle", block) @ (vectors.T @ block))
        return product

    def dense(self) -> NDArray[np.float64]:
        """Return the operator as float64 (N, N)."""
        graph = self.scale * self.graph.matrix().toarray()
        low_rank = self._vectors @ self._middle @ self._vectors.T
        return graph + np.diag(np.broadcast_to(self.diagonal, self.n_views)) + low_rank

    def row_sums(self) -> NDArray[np.float64]:
        """Return the operator times the vector of ones, (N,)."""
        low_rank = self._vectors @ (self._middle @ self._vectors.sum(axis=0))
        return self.scale * self.graph.row_sums() + self.diagonal + low_rank

    def norm_bound(self) -> float:
        """Return what no eigenvalue exceeds in size."""
        turned = self._middle @ (self._vectors.T @ self._vectors)
        low_rank = float(np.trace(turned @ turned).clip(min=0.0)) ** 0.5
        return abs(self.scale) * self.graph.norm_bound() + float(np.abs(self.diagonal).max()) + low_rank

    def center(self) -> "PairOperator":
        """Return H A H with H = I - 11^T/N: the operator of data, or kernel, less its mean over all views.

        Modes a of H A H K sum to 0, and they are those of A and the centred kernel H K H. Exact: with
        e = 1/sqrt(N) and row sums c + q of graph and diagonal, q of mean 0,

            H (graph + diagonal) H = graph + diagonal - c e e^T - (e q^T + q e^T)/sqrt(N)
        """
        size = self.n_views
        sums = self.scale * self.graph.row_sums() + self.diagonal
        mean = float(sums.mean())
        constant, deviation = np.full((size, 1), size**-0.5), (sums - mean)[:, None]
        vectors = np.hstack((constant, deviation, self._vectors - self._vectors.mean(axis=0)))
        middle = np.zeros((vectors.shape[1], vectors.shape[1]))
        middle[:2, :2] = [[-mean, -(size**-0.5)], [-(size**-0.5), 0]]
        middle[2:, 2:] = self._middle
        # What is constant over the views, such as the row sums of pairs, leaves only rounding behind.
        before = np.linalg.norm(np.hstack((constant, sums[:, None], self._vectors)), axis=0)
        norms = np.linalg.norm(vectors, axis=0)
        kept = norms > 1e-12 * before
        scaled = middle * norms[:, None] * norms
        low_rank = vectors[:, kept] / norms[kept], scaled[np.ix_(kept, kept)]
        return PairOperator(self.graph, self.scale, self.diagonal, low_rank)
