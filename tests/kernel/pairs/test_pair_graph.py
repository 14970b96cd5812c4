import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import torch

from eigenstep.kernel.pairs import from_matrix, grouped, paired, unpaired, weighted_views


def brute_force_groups(ids):
    """Every ordered pair of distinct views of a sample, one by one."""
    samples = [[k for k, other in enumerate(ids) if other == one] for one in dict.fromkeys(ids)]
    samples = [views for views in samples if len(views) > 1]
    weights = np.zeros((len(ids), len(ids)))
    for views in samples:
        for a in views:
            for b in views:
                if a != b:
                    weights[a, b] = 1 / (len(samples) * len(views) * (len(views) - 1))
    return weights


def random_weights(size=23, density=0.2, seed=5):
    """Symmetric, of both signs, with a diagonal and some empty rows."""
    weights = scipy.sparse.random(size, size, density, random_state=np.random.default_rng(seed)).toarray()
    weights = weights + weights.T - 0.3 * (weights * weights.T > 0)
    weights[[3, 8]] = 0
    weights[:, [3, 8]] = 0
    return weights


IDS = [2, 5, 2, 9, 5, 2, 7, 7, 2, 5, 11, 11, 1, 1]


def with_a_lone_row(ids):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return grouped(ids)


def uneven(size=9):
    """How much each of some views counts, one of them nothing."""
    weights = np.random.default_rng(3).random(size) * (np.arange(size) != 4)
    return weights / weights.sum()


GRAPHS = {
    "weighted views": lambda: (weighted_views(uneven()), np.diag(uneven())),
    "paired": lambda: (paired(7), np.kron([[0, 1], [1, 0]], np.eye(7)) / 14),
    "unpaired": lambda: (unpaired(9), np.eye(9) / 9),
    "grouped": lambda: (with_a_lone_row(IDS), brute_force_groups(IDS)),
    "from_matrix": lambda: (
        from_matrix(random_weights()),
        random_weights() / np.abs(random_weights()).sum(),
    ),
}


@pytest.fixture(params=GRAPHS)
def graph_and_matrix(request):
    return GRAPHS[request.param]()


def test_the_matrix_is_the_definition_and_its_magnitudes_sum_to_one(graph_and_matrix):
    graph, expected = graph_and_matrix
    assert graph.n_views == len(expected)
    assert isinstance(graph.matrix(), scipy.sparse.csr_array)
    assert graph.matrix().dtype == np.float64
    assert graph.matrix().nnz == np.count_nonzero(expected)
    np.testing.assert_allclose(graph.matrix().toarray(), expected, rtol=1e-14, atol=1e-17)
    np.testing.assert_allclose(abs(graph.matrix()).sum(), 1, rtol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-15), (torch.float32, 1e-7)])
def test_the_product_is_that_of_the_matrix_and_leaves_the_block_alone(graph_and_matrix, dtype, tolerance):
    graph, expected = graph_and_matrix
    block = torch.randn(graph.n_views, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))
    before = block.clone()
    for _ in range(2):  # the second time from the copies that the first one made
        product = graph.product(block)
        assert product.dtype == dtype
        np.testing.assert_allclose(product.numpy(), expected @ before.numpy(), rtol=0, atol=tolerance)
    torch.testing.assert_close(block, before, rtol=0, atol=0)
    # The other precision afterwards does not get the first one's copies.
    other = block.to(torch.float32 if dtype == torch.float64 else torch.float64)
    assert graph.product(other).dtype == other.dtype


def test_row_sums_are_those_of_the_matrix(graph_and_matrix):
    graph, expected = graph_and_matrix
    assert graph.row_sums().shape == (graph.n_views,)
    np.testing.assert_allclose(graph.row_sums(), expected.sum(axis=1), rtol=1e-14, atol=1e-17)


def test_no_function_shares_more_between_views_than_the_views_weights_give_it(graph_and_matrix):
    graph, matrix = graph_and_matrix
    weights = graph.view_weights()
    assert weights.sum() == pytest.approx(1)
    for sign in (1, -1):
        assert np.linalg.eigvalsh(np.diag(weights) + sign * matrix)[0] > -1e-12
    if matrix.min() >= 0:
        np.testing.assert_allclose(weights, graph.row_sums())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_edge_blocks_hold_each_pair_once_within_the_size(graph_and_matrix, size):
    graph, expected = graph_and_matrix
    once = np.zeros_like(expected)
    for rows, columns, weights in graph.edge_blocks(size):
        assert rows.dtype == columns.dtype == np.int64
        assert weights.shape == (len(rows), len(columns))
        assert len(rows) <= size
        assert len(columns) <= size
        assert len(np.unique(rows)) == len(rows)
        assert len(np.unique(columns)) == len(columns)
        block = np.zeros_like(once)
        block[np.ix_(rows, columns)] = weights.toarray()
        assert not ((block != 0) & (once != 0)).any()
        once += block
    np.testing.assert_allclose(once + once.T, expected, rtol=1e-14, atol=1e-17)
    # Each pair of views in one of its two orders only.
    assert not ((once != 0) & (once.T != 0) & ~np.eye(len(once), dtype=bool)).any()


def test_pairs_stream_as_first_views_with_their_partners():
    blocks = list(paired(5).edge_blocks(2))
    assert [rows.tolist() for rows, _, _ in blocks] == [[0, 1], [2, 3], [4]]
    assert [columns.tolist() for _, columns, _ in blocks] == [[5, 6], [7, 8], [9]]


def test_whole_groups_share_a_block_whose_rows_and_columns_are_one_array():
    blocks = list(grouped(IDS[:3] + IDS[4:]).edge_blocks(7))
    assert all(columns is rows for rows, columns, _ in blocks)
    assert [len(rows) for rows, _, _ in blocks] == [6, 7]


def test_large_groups_come_in_tiles_of_bounded_size(monkeypatch):
    monkeypatch.setattr("eigenstep.kernel.pairs._grouped_views._LARGEST_TILE", 4)
    ids = [1] * 2 + [2] * 11 + [3] * 3
    once = np.zeros((16, 16))
    for rows, columns, weights in grouped(ids).edge_blocks(9):
        assert weights.nnz <= 16
        once[np.ix_(rows, columns)] += weights.toarray()
    np.testing.assert_allclose(once + once.T, brute_force_groups(ids), rtol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_sum_blocks_give_the_quadratic_form_from_each_view_once(size):
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(len(IDS), 3))
    gram, carried, seen = np.zeros((3, 3)), 0.0, []
    for views, members, weights, continues in with_a_lone_row(IDS).sum_blocks(size):
        assert len(views) <= size
        seen.extend(views)
        sums = members @ phi[views]
        sums[0] += carried
        ended = len(sums) - continues
        carried = sums[-1] if continues else 0.0
        gram += sums[:ended].T @ (weights[:ended, None] * sums[:ended])
        gram -= phi[views].T @ ((members.T @ weights)[:, None] * phi[views])
    assert sorted(seen) == [k for k, one in enumerate(IDS) if IDS.count(one) > 1]
    assert not np.any(carried)
    np.testing.assert_allclose(gram, phi.T @ brute_force_groups(IDS) @ phi, rtol=1e-13, atol=1e-15)


def test_a_group_of_ten_thousand_views_is_multiplied_without_its_square_of_pairs():
    count = 10_000
    block = torch.randn(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    graph = grouped(np.zeros(count, dtype=int))
    expected = (block.sum(0) - block) / (count * (count - 1))
    np.testing.assert_allclose(graph.product(block).numpy(), expected.numpy(), rtol=1e-9, atol=1e-16)
    offset = (block + 10).float()
    exact = (offset.double().sum(0) - offset.double()) / (count * (count - 1))
    np.testing.assert_allclose(graph.product(offset).numpy(), exact.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "ids",
    [
        np.array([3, 1, 3, 1]),
        np.array([0.5, -1.0, 0.5, -1.0]),
        ["b", "a", "b", "a"],
        np.array(["b", "a", "b", "a"], dtype=object),
        np.array(["2020-01-02", "2020-01-01"] * 2, dtype="datetime64[D]"),
        torch.tensor([3, 1, 3, 1]),
    ],
    ids=["int", "float", "list of str", "object", "date", "tensor"],
)
def test_ids_of_any_sortable_kind_give_the_same_graph(ids):
    np.testing.assert_array_equal(grouped(ids).matrix().toarray(), paired(2).matrix().toarray())


def test_two_views_in_every_group_are_pairs_in_another_order():
    order = np.random.default_rng(0).permutation(12)
    shuffled = grouped(np.tile(np.arange(6), 2)[order])
    block = torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = paired(6).product(block)[order]
    torch.testing.assert_close(shuffled.product(block[order]), expected, rtol=1e-12, atol=1e-15)
    assert shuffled.n_samples == 6


def test_rows_alone_in_their_group_are_counted_in_one_warning_and_have_no_weight():
    with pytest.warns(UserWarning, match="2 of 6 rows are alone in their group") as caught:
        graph = grouped([4, 1, 4, 3, 2, 2])
    assert len(caught) == 1
    assert graph.n_samples == 2
    np.testing.assert_array_equal(graph.row_sums() == 0, [False, True, False, True, False, False])


def test_no_warning_where_every_row_has_a_partner():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grouped([1, 2, 1, 2]).product(torch.ones(4, 1))
        from_matrix(random_weights()).product(torch.ones(23, 1))


def test_samples_are_counted():
    graphs = paired(4), grouped([1, 1, 2, 2, 2]), unpaired(5), from_matrix(np.ones((5, 5)))
    assert [graph.n_samples for graph in graphs] == [4, 2, 5, 3]


def test_only_pairs_have_two_branches():
    graphs = paired(2), grouped([1, 1, 2, 2]), unpaired(4), from_matrix(np.ones((4, 4)))
    whole = (slice(0, 4),)
    assert [graph.branches for graph in graphs] == [(slice(0, 2), slice(2, 4)), whole, whole, whole]


@pytest.mark.parametrize("kind", [scipy.sparse.coo_array, scipy.sparse.csc_matrix, np.float32, np.array])
def test_a_matrix_of_any_format_gives_the_same_graph_and_is_left_as_it_was(kind):
    given = kind(random_weights())
    before = given.copy()
    graph = from_matrix(given)
    np.testing.assert_allclose(
        graph.matrix().toarray(), random_weights() / np.abs(random_weights()).sum(), atol=1e-8
    )
    assert abs(given - before).sum() == 0


def test_entries_given_twice_are_added_before_they_are_scaled():
    twice = scipy.sparse.csr_array(
        (np.array([-1.0, 3.0, 2.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2)
    )
    np.testing.assert_array_equal(from_matrix(twice).matrix().toarray(), [[0, 0.5], [0.5, 0]])
    assert twice.data.tolist() == [-1.0, 3.0, 2.0]


def test_stored_zeros_are_no_pairs():
    stored = scipy.sparse.csr_array((np.array([0.0, 1.0, 1.0]), ([0, 0, 1], [0, 1, 0])), shape=(2, 2))
    assert from_matrix(stored).matrix().nnz == 2


def test_a_pickled_or_copied_graph_works_and_leaves_its_tensors_behind(graph_and_matrix):
    graph, expected = graph_and_matrix
    size = len(pickle.dumps(graph))
    block = torch.eye(graph.n_views, dtype=torch.float64)
    graph.product(block)
    assert len(pickle.dumps(graph)) == size
    for twin in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph)):
        np.testing.assert_allclose(twin.product(block).numpy(), expected, rtol=1e-13, atol=1e-15)
        np.testing.assert_array_equal(twin.row_sums(), graph.row_sums())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: paired(0), "at least one sample, got 0"),
        (lambda: unpaired(-1), "at least one sample, got -1"),
        (lambda: grouped([[1, 1]]), r"shape \(N,\)"),
        (lambda: grouped([]), r"shape \(N,\)"),
        (lambda: grouped([1.0, np.nan, 1.0]), "got NaN"),
        (lambda: grouped(np.array([1, "a", None], dtype=object)), "sortable"),
        (lambda: grouped([1, 2, 3]), "got 3 rows each alone"),
        (lambda: from_matrix(np.ones((2, 3))), r"square.*\(2, 3\)"),
        (lambda: from_matrix(np.ones(3)), "square"),
        (lambda: from_matrix(np.zeros((0, 0))), "square"),
        (lambda: from_matrix(np.triu(np.ones((3, 3)))), "differ by 1 from their mirror"),
        (lambda: from_matrix(np.array([[0, np.nan], [np.nan, 0]])), "NaN or infinity"),
        (lambda: from_matrix(scipy.sparse.csr_array([[0, np.inf], [np.inf, 0]])), "NaN or infinity"),
        (lambda: from_matrix(np.zeros((3, 3))), "all zeros"),
        (lambda: from_matrix(np.eye(2) * 1j), "complex"),
        (lambda: from_matrix(np.array([["a"]])), "real numbers"),
        (lambda: next(paired(2).edge_blocks(0)), "got size 0"),
        (lambda: paired(2).product(torch.ones(6, 1)), r"\(4, b\).*\(6, 1\)"),
        (lambda: unpaired(2).product(torch.ones(2)), r"\(2, b\).*\(2,\)"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()
