"""Whole samples out of many, with all their views: a process's share, or a few to estimate from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from eigenstep.kernel.pairs._grouped_views import GroupedViews
from eigenstep.kernel.pairs._pair_graph import PairedViews, PairGraph, UnpairedViews, paired, unpaired
from eigenstep.kernel.pairs._weighted_pairs import normalised

Subgraph = tuple[NDArray[np.int64], PairGraph]


def sample_share(graph: PairGraph, rank: int, size: int) -> Subgraph:
    """Return the views of the rank-th of `size` shares of the samples, and the pair graph among them.

    Raises
    ------
    ValueError
        Fewer samples than shares, or a graph of weights, which does not fall into samples.

    Examples
    --------
    >>> views, pairs = sample_share(paired(4), 1, 2)
    >>> views, pairs.n_samples
    (array([2, 3, 6, 7]), 2)
    """
    if size == 1:
        return np.arange(graph.n_views), graph
    if not isinstance(graph, PairedViews | UnpairedViews | GroupedViews):
        raise ValueError(
            "expected pairs or groups to deal out to several processes, got weights of a pair_graph; use"
            " solver='krylov' for them"
        )
    start, stop = (share * graph.n_samples // size for share in (rank, rank + 1))
    if graph.n_samples < size:
        raise ValueError(f"expected at least {size} samples for {size} processes, got {graph.n_samples}")
    # Views alone in their group have the label after the last; the last share takes them, for their mean.
    return _subgraph(graph, np.arange(start, stop + (rank == size - 1)))


def some_samples(graph: PairGraph, n_views: int, generator: np.random.Generator) -> Subgraph | None:
    """Return the views of random samples, n_views at most, and the pair graph among them.

    None if one sample has more views than that, as where a graph of weights hangs together.

    Examples
    --------
    >>> views, pairs = some_samples(paired(100), 10, np.random.default_rng(0))
    >>> len(views), pairs.n_samples
    (10, 5)
    """
    if graph.n_views <= n_views:
        return np.arange(graph.n_views), graph
    if isinstance(graph, PairedViews | UnpairedViews):
        count = n_views * graph.n_samples // graph.n_views
        return _subgraph(graph, np.sort(generator.choice(graph.n_samples, count, replace=False)))
    labels = graph.labels if isinstance(graph, GroupedViews) else connected_components(graph.matrix())[1]
    order = generator.permutation(graph.n_samples if isinstance(graph, GroupedViews) else labels.max() + 1)
    sizes = np.bincount(labels, minlength=len(order))[order]
    chosen = np.sort(order[: np.searchsorted(sizes.cumsum(), n_views, side="right")])
    if len(chosen) == 0:
        return None
    if isinstance(graph, GroupedViews):
        return _subgraph(graph, chosen)
    views = np.flatnonzero(np.isin(labels, chosen))
    weights = graph.matrix()[views][:, views]
    return (views, normalised(weights)) if weights.nnz else None


def _subgraph(graph: PairGraph, samples: NDArray[np.int64]) -> Subgraph:
    """Return the views of some samples, given in order, and the pair graph among them."""
    if isinstance(graph, GroupedViews):
        views = np.flatnonzero(np.isin(graph.labels, samples))
        kept = samples[samples < graph.n_samples]
        # Labels count from 0 again; a view that is alone keeps the one after the last.
        return views, GroupedViews(np.searchsorted(kept, graph.labels[views]), graph.sizes[kept])
    samples = samples[samples < graph.n_samples]
    if isinstance(graph, PairedViews):
        return np.concatenate((samples, samples + graph.n_samples)), paired(len(samples))
    return samples, unpaired(len(samples))
