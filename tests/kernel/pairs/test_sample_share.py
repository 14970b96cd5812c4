"""Shares and samples of a pair graph keep whole samples together."""

import numpy as np
import pytest
import scipy.sparse

from eigenstep.kernel.pairs import from_matrix, grouped, paired, sample_share, some_samples, unpaired

GROUPS = np.array([3, 1, 1, 2, 3, 1, 2, 9, 4, 4, 4, 4])


def graphs():
    with pytest.warns(UserWarning, match="alone"):
        uneven = grouped(GROUPS)
    return [paired(7), unpaired(11), uneven]


@pytest.mark.parametrize("size", [2, 3])
def test_shares_cover_every_view_once_and_add_up_to_the_graph(size):
    for graph in graphs():
        total = np.zeros((graph.n_views, graph.n_views))
        seen = []
        for rank in range(size):
            views, part = sample_share(graph, rank, size)
            seen.extend(views)
            # A share's graph is a mean over its own samples.
            total[np.ix_(views, views)] += part.matrix().toarray() * part.n_samples / graph.n_samples
        assert sorted(seen) == list(range(graph.n_views))
        np.testing.assert_allclose(total, graph.matrix().toarray(), atol=1e-15)


def test_one_share_is_everything_and_more_shares_than_samples_are_refused():
    views, graph = sample_share(paired(3), 0, 1)
    assert len(views) == 6
    with pytest.raises(ValueError, match="at least 5 samples"):
        sample_share(graph, 0, 5)
    with pytest.raises(ValueError, match="solver='krylov'"):
        sample_share(from_matrix(np.eye(4)), 0, 2)


def test_some_samples_are_whole_samples_of_the_graph():
    blocks = scipy.sparse.block_diag([np.ones((size, size)) for size in (2, 3, 2, 4, 2, 3)], format="csr")
    for graph in [*graphs(), from_matrix(blocks)]:
        views, part = some_samples(graph, 8, np.random.default_rng(0))
        assert len(views) <= 8
        whole = graph.matrix().toarray()
        outside = np.setdiff1d(np.arange(graph.n_views), views)
        assert not whole[np.ix_(views, outside)].any()
        inside = whole[np.ix_(views, views)]
        np.testing.assert_allclose(part.matrix().toarray(), inside / inside.sum(), atol=1e-15)


def test_samples_are_drawn_at_random():
    drawn = {tuple(some_samples(paired(20), 6, np.random.default_rng(seed))[0]) for seed in range(10)}
    assert len(drawn) > 5


def test_a_graph_that_hangs_together_has_no_smaller_sample():
    assert some_samples(from_matrix(np.ones((10, 10))), 4, np.random.default_rng(0)) is None
