"""Any number of views a sample: the pair graph of rows that share an id."""

import warnings
from collections.abc import Iterator

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from eigenstep.kernel.pairs._pair_graph import EdgeBlock, PairGraph, runs

# A tile of a large group has its square of entries, whatever size of blocks was asked for.
_LARGEST_TILE = 1024


def grouped(groups: ArrayLike) -> PairGraph:
    """Return the graph in which rows that share an id are views of one sample.

        A = 1/n sum_g 1/(v_g (v_g - 1)) (1_g 1_g^T - I_g)

    n is the number of groups with v_g >= 2 views. Every sample counts the same whatever its number of views.
    Rows alone in their group have no positive pair: they get weight zero, and a UserWarning says how many.

    Parameters
    ----------
    groups : ArrayLike
        (N,) ids that can be sorted, such as integers or strings.

    Raises
    ------
    ValueError
        Not one id a row, ids that are NaN, infinite or cannot be sorted, or all rows alone.

    Examples
    --------
    >>> grouped(["cat", "dog", "cat", "dog"]).matrix().toarray()
    array([[0.  , 0.  , 0.25, 0.  ],
           [0.  , 0.  , 0.  , 0.25],
           [0.25, 0.  , 0.  , 0.  ],
           [0.  , 0.25, 0.  , 0.  ]])
    """
    ids = np.asarray(groups)
    if ids.ndim != 1 or ids.size == 0:
        raise ValueError(f"expected groups of shape (N,), one id a row, got {ids.shape}")
    if (ids != ids).any() or (ids.dtype.kind == "f" and np.isinf(ids).any()):
        raise ValueError("expected an id for every row in groups, got NaN or infinity; drop those rows first")
    try:
        _, members, counts = np.unique(ids, return_inverse=True, return_counts=True)
    except TypeError as error:
        raise ValueError(f"expected groups of one sortable type, such as all strings: {error}") from None
    kept = counts >= 2
    if not kept.any():
        raise ValueError(f"expected groups of two views or more, got {len(ids)} rows each alone in its group")
    if not kept.all():
        warnings.warn(
            f"{(~kept).sum()} of {len(ids)} rows are alone in their group: they have no positive pair and "
            "get weight zero",
            UserWarning,
            stacklevel=2,
        )
    labels = np.where(kept, np.cumsum(kept) - 1, kept.sum())
    return GroupedViews(labels[members.reshape(-1)], counts[kept])


class GroupedViews(PairGraph):
    """Any number of views of each sample; see `grouped`.

    Attributes
    ----------
    labels : NDArray[np.int64]
        (N,) the sample of each view, 0 .. n-1, or n for a view alone in its group.
    sizes : NDArray[np.int64]
        (n,) views of each sample, at least 2.
    weights : NDArray[np.float64]
        (n + 1,) what each pair of a sample's views counts; 0 last, for views alone.
    """

    def __init__(self, labels: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        self.n_views, self.n_samples = len(labels), len(sizes)
        self.labels, self.sizes = labels, sizes
        self.weights = np.append(1 / (len(sizes) * sizes * (sizes - 1.0)), 0.0)

    def _product(self, block: Tensor) -> Tensor:
        labels = self._copy("labels", block)
        sums = block.new_zeros(self.n_samples + 1, block.shape[1]).index_add_(0, labels, block)
        others = sums.index_select(0, labels).sub_(block)
        return others.mul_(self._copy("weights", block)[labels, None])

    def matrix(self) -> scipy.sparse.csr_array:
        members = scipy.sparse.csr_array((np.ones(self.n_views), self.labels, np.arange(self.n_views + 1)))
        members = members[:, : self.n_samples]
        weighted = members * self.weights[:-1]
        within = scipy.sparse.csr_array(weighted @ members.T)
        return scipy.sparse.csr_array(within - scipy.sparse.diags_array(within.diagonal(), format="csr"))

    def row_sums(self) -> NDArray[np.float64]:
        return (self.weights * np.append(self.sizes - 1.0, 0.0))[self.labels]

    def edge_blocks(self, size: int) -> Iterator[EdgeBlock]:
        """See `PairGraph`. Large groups come in tiles, v (v - 1)/2 pairs in all: prefer `sum_blocks`."""
        views, ends = self._in_order()
        tile = min(size, _LARGEST_TILE)
        large = np.append(np.flatnonzero(np.repeat(self.sizes, self.sizes) > tile), len(views))
        first = 0
        while first < len(views):
            next_large = large[np.searchsorted(large, first)]
            if next_large == first:
                stop = ends[first]
                yield from self._tiles(views[first:stop], tile)
            else:
                # Whole groups, as many as fit.
                stop = min(np.searchsorted(ends, first + size, side="right"), next_large)
                rows = views[first:stop]
                yield rows, rows, self._later_in_group(rows, ends[first:stop] - first)
            first = stop

    def sum_blocks(
        self, size: int
    ) -> Iterator[tuple[NDArray[np.int64], scipy.sparse.csr_array, NDArray[np.float64], bool]]:
        """Yield each view once, at most `size` at a time, with what sums the groups that they belong to.

        A group's share of Phi^T A Phi is w (s s^T - sum_a phi_a phi_a^T), s = sum_a phi_a, so that v views
        cost v rows rather than v^2 pairs. A piece is (views (r,), members (g, r), weights (g,), continues):
        members sums each group's views, weights are the groups' w, and `continues` says that the last group
        goes on as the first one of the next piece.

        Examples
        --------
        >>> graph, phi = grouped([0, 1, 0, 0, 1]), np.arange(15.0).reshape(5, 3)
        >>> gram, carried = np.zeros((3, 3)), 0.0
        >>> for views, members, weights, continues in graph.sum_blocks(2):
        ...     block = phi[views]
        ...     sums = members @ block
        ...     sums[0] += carried
        ...     ended = len(sums) - continues
        ...     carried = sums[-1] if continues else 0.0
        ...     gram += sums[:ended].T @ (weights[:ended, None] * sums[:ended])
        ...     gram -= block.T @ ((members.T @ weights)[:, None] * block)
        >>> np.allclose(gram, phi.T @ graph.matrix() @ phi)
        True
        """
        views, ends = self._in_order()
        for run in runs(len(views), size):
            labels = self.labels[views[run]]
            groups, local = np.unique(labels, return_inverse=True)
            members = scipy.sparse.csr_array((np.ones(len(run)), (local, np.arange(len(run)))))
            yield views[run], members, self.weights[groups], bool(ends[run[-1]] > run[-1] + 1)

    def _in_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return views that have a partner, group by group, and for each place where its group ends."""
        views = np.argsort(self.labels, kind="stable")[: self.sizes.sum()]
        return views, np.repeat(np.cumsum(self.sizes), self.sizes)

    def _later_in_group(self, views: NDArray[np.int64], ends: NDArray[np.int64]) -> scipy.sparse.csr_array:
        """Return the weights (r, r) of each view with the later ones of its group."""
        places = np.arange(len(views))
        counts = ends - places - 1
        starts = np.concatenate(([0], np.cumsum(counts)))
        columns = np.arange(starts[-1]) + np.repeat(places + 1 - starts[:-1], counts)
        values = np.repeat(self.weights[self.labels[views]], counts)
        return scipy.sparse.csr_array((values, columns, starts), shape=(len(views), len(views)))

    def _tiles(self, views: NDArray[np.int64], size: int) -> Iterator[EdgeBlock]:
        """Yield the pairs of one group's views in tiles of at most size x size."""
        weight = self.weights[self.labels[views[0]]]
        strips = [views[run] for run in runs(len(views), size)]
        for place, rows in enumerate(strips):
            yield rows, rows, self._later_in_group(rows, np.full(len(rows), len(rows)))
            for columns in strips[place + 1 :]:
                full = np.full((len(rows), len(columns)), weight)
                yield rows, columns, scipy.sparse.csr_array(full)
