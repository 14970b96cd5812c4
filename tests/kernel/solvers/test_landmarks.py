import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.stats import chisquare, ortho_group
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.solvers import choose_landmarks

FLOAT32_FLOOR = 50 * torch.finfo(torch.float32).eps


@pytest.fixture
def rng():
    return np.random.default_rng(20260117)


def landmarks_of(rows, n_landmarks, seed=0, kernel="rbf", precision=None, proposals=None, **parameters):
    rows = rows if scipy.sparse.issparse(rows) else torch.as_tensor(rows)
    made = make_kernel(kernel, rows, **parameters)
    generator = np.random.default_rng(seed)
    return choose_landmarks(
        made, made.prepare(rows), n_landmarks, generator, precision=precision, proposals=proposals
    )


@pytest.mark.parametrize(("n_landmarks", "proposals"), [(1, None), (40, None), (40, 1), (40, 300)])
def test_the_factor_is_that_of_the_landmarks_kernel_matrix(rng, n_landmarks, proposals):
    rows = rng.normal(size=(300, 4))
    landmarks = landmarks_of(rows, n_landmarks, gamma=0.3, proposals=proposals)
    assert len(np.unique(landmarks.indices)) == n_landmarks
    chosen = rows[landmarks.indices]
    expected = np.linalg.cholesky(rbf_kernel(chosen, gamma=0.3))
    assert landmarks.factor.dtype == torch.float64
    np.testing.assert_allclose(landmarks.factor.numpy(), expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("proposals", [1, 16])
def test_landmarks_follow_the_law_of_draws_one_at_a_time(rng, proposals):
    # p(i, j) = K_ii / tr K  x  S_jj / tr S,  S the Schur complement of i: brute force over ordered pairs.
    rows = rng.normal(size=(5, 3)) * [[1.0], [2.0], [0.5], [1.0], [3.0]]
    gram = rows @ rows.T
    expected = np.zeros((5, 5))
    for i in range(5):
        left = (gram - np.outer(gram[i], gram[i]) / gram[i, i]).diagonal().clip(0)
        left[i] = 0
        expected[i] = gram[i, i] / gram.trace() * left / left.sum()
    counts = np.zeros((5, 5))
    kernel, prepared, generator = make_kernel("linear", torch.as_tensor(rows)), torch.as_tensor(rows), rng
    for _ in range(1200):
        first, second = choose_landmarks(kernel, prepared, 2, generator, proposals=proposals).indices
        counts[first, second] += 1
    possible = expected > 0
    assert (counts[~possible] == 0).all()
    assert chisquare(counts[possible], 1200 * expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("seed", range(12))
def test_a_kernel_of_low_rank_needs_no_more_landmarks_than_its_rank(seed):
    # Badly scaled features, mixed, and badly scaled rows; every other time far from the origin.
    rng = np.random.default_rng(seed)
    rank = rng.integers(2, 30)
    rows = (
        rng.normal(size=(400, rank)) * 10 ** (-4 * rng.random(rank)) @ ortho_group.rvs(rank, random_state=rng)
    )
    rows = (rows + 10 * (seed % 2)) * 10 ** rng.normal(size=(400, 1))
    landmarks = landmarks_of(rows, 200, seed=seed, kernel="linear")
    assert len(landmarks.indices) == rank
    # Nothing is left of the others.
    features = np.linalg.solve(landmarks.factor.numpy(), rows[landmarks.indices] @ rows.T)
    left = 1 - np.square(features).sum(axis=0) / np.square(rows).sum(axis=1)
    np.testing.assert_allclose(left, 0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicate_rows_are_chosen_once(rng, dtype):
    distinct = rng.normal(size=(12, 3)).astype(dtype)
    copies = np.repeat(np.arange(12), rng.integers(1, 40, size=12))
    landmarks = landmarks_of(distinct[copies], 100)
    assert sorted(copies[landmarks.indices]) == list(range(12))


def test_all_candidates_of_a_full_rank_kernel_can_be_landmarks(rng):
    landmarks = landmarks_of(rng.normal(size=(30, 5)), 1000, gamma=1.0)
    assert sorted(landmarks.indices) == list(range(30))


def test_landmarks_for_float32_rows_leave_out_pivots_at_their_rounding_level(rng):
    rows = rng.normal(size=(300, 3))
    for_double, for_single = (landmarks_of(rows, 300, gamma=0.02, precision=p) for p in (None, torch.float32))
    assert len(for_single.indices) < len(for_double.indices)
    assert for_single.factor.diagonal().square().min() > FLOAT32_FLOOR
    # They explain all the same: what is left of every candidate is below that level.
    known = rbf_kernel(rows[for_single.indices], rows, gamma=0.02)
    left = 1 - np.square(np.linalg.solve(for_single.factor.numpy(), known)).sum(axis=0)
    assert left.max() <= FLOAT32_FLOOR * (1 + 1e-6)


def test_the_same_draws_give_the_same_landmarks(rng):
    rows = rng.normal(size=(200, 4))
    one, same, other = (landmarks_of(rows, 20, seed=seed).indices for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_sparse_candidates_give_the_landmarks_of_dense_ones(rng):
    rows = rng.normal(size=(80, 10)) * (rng.random((80, 10)) < 0.4)
    dense = landmarks_of(rows, 15)
    sparse = landmarks_of(scipy.sparse.csr_matrix(rows), 15)
    np.testing.assert_array_equal(sparse.indices, dense.indices)
    np.testing.assert_allclose(sparse.factor, dense.factor, atol=1e-12)


def test_an_indefinite_kernel_gives_landmarks_on_which_it_is_definite(rng):
    rows = rng.normal(size=(60, 3)) * 3
    landmarks = landmarks_of(rows, 60, kernel="sigmoid", coef0=-1.0)
    chosen = rows[landmarks.indices]
    matrix = np.tanh(chosen @ chosen.T / 3 - 1)
    assert 0 < len(chosen) < 60
    np.testing.assert_allclose(landmarks.factor @ landmarks.factor.T, matrix, atol=1e-8)


def test_candidates_that_cannot_give_landmarks_are_refused():
    rows = np.ones((4, 2))
    for case, message in [
        (lambda: landmarks_of(rows, 0), "at least one landmark"),
        (lambda: landmarks_of(np.zeros((4, 2)), 2, kernel="linear"), "K\\(x, x\\) > 0"),
        (lambda: landmarks_of(rows * 1e200, 2, kernel="linear"), "finite kernel values"),
    ]:
        with pytest.raises(ValueError, match=message):
            case()
