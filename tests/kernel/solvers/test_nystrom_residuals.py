from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from eigenstep.kernel.functions import make_kernel
from eigenstep.kernel.pairs import grouped, objective_operator, paired
from eigenstep.kernel.solvers import (
    NystromAccumulator,
    ViewRows,
    choose_landmarks,
    estimated_residuals,
    sampled_pairs_factor,
)

N = 600
WIDTH = 0.1


@pytest.fixture
def pairs():
    rng = np.random.default_rng(20260119)
    shared = rng.normal(size=(N, 6)) * [2.0, 1.5, 1.0, 1.0, 0.5, 0.5]
    return [shared + 0.5 * rng.normal(size=shared.shape) for _ in range(2)]


def solved(views, graph, n_landmarks=80, dtype=torch.float64, **options):
    rows = torch.as_tensor(np.concatenate(views.parts))
    kernel = make_kernel("rbf", rows, gamma=WIDTH)
    chosen = choose_landmarks(
        kernel, kernel.prepare(rows), n_landmarks, np.random.default_rng(0), precision=dtype
    )
    used = make_kernel("rbf", rows.to(dtype), gamma=WIDTH)
    landmarks = used.prepare(rows[chosen.indices].to(dtype))
    accumulator = NystromAccumulator(used, landmarks, chosen.factor, moments=True).add(views, graph)
    return accumulator, accumulator.solve(12, **options), chosen.indices


def as_views(pairs, dtype=torch.float64):
    return ViewRows(list(pairs), torch.device("cpu"), dtype)


def exact_residuals(pairs, indices, modes, operator):
    """||T f - gamma f|| / gamma from its definition, by the whole kernel matrix and dual coefficients."""
    rows = np.concatenate(pairs)
    kernel = rbf_kernel(rows, gamma=WIDTH)
    dual = np.zeros((len(rows), modes.coefficients.shape[1]))
    dual[indices] = modes.coefficients
    left = operator @ kernel @ dual - dual * modes.eigenvalues
    return np.sqrt((left * (kernel @ left)).sum(axis=0)) / modes.eigenvalues


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-3)])
@pytest.mark.parametrize("objective", ["barlow_twins", "simclr", "vicreg", "lejepa"])
def test_the_residual_is_exact_when_every_view_is_in_the_sample(pairs, objective, dtype, tolerance):
    operator = objective_operator(objective, paired(N))
    accumulator, modes, indices = solved(as_views(pairs, dtype), paired(N), dtype=dtype, objective=objective)
    found, _ = estimated_residuals(accumulator, modes, as_views(pairs, dtype), operator, block_rows=100)
    np.testing.assert_allclose(
        found, exact_residuals(pairs, indices, modes, operator.dense()), rtol=tolerance
    )


@pytest.mark.slow
def test_the_residual_of_centred_modes_is_that_of_the_centred_operator(pairs):
    operator = objective_operator("barlow_twins", paired(N)).center()
    accumulator, modes, indices = solved(as_views(pairs), paired(N), center=True)
    found, ratio = estimated_residuals(accumulator, modes, as_views(pairs), operator)
    # Modes of centred data are their functions less a constant, which the operator takes off.
    centring = np.eye(2 * N) - 1 / (2 * N)
    rows = np.concatenate(pairs)
    kernel = rbf_kernel(rows, gamma=WIDTH)
    values = centring @ kernel[:, indices] @ modes.coefficients.numpy()
    images = centring @ paired(N).matrix() @ values
    squares = (images * (kernel @ images)).sum(axis=0) - modes.eigenvalues**2
    np.testing.assert_allclose(found, np.sqrt(squares) / modes.eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(ratio, modes.eigenvalues / np.square(values).mean(axis=0), rtol=1e-9)


@pytest.mark.slow
def test_estimates_from_samples_are_right_in_the_mean(pairs):
    accumulator, modes, indices = solved(as_views(pairs), paired(N))
    exact = exact_residuals(pairs, indices, modes, paired(N).matrix().toarray())
    rng = np.random.default_rng(0)
    squares = []
    for _ in range(60):
        chosen = rng.choice(N, 100, replace=False)
        sample = as_views([view[chosen] for view in pairs])
        squares.append(estimated_residuals(accumulator, modes, sample, paired(100), n_views=2 * N)[0] ** 2)
    squares = np.array(squares)
    errors = squares.mean(axis=0) - exact**2
    assert (abs(errors) < 4 * squares.std(axis=0) / np.sqrt(len(squares))).all()
    # The spread is small enough to tell good modes from bad.
    assert (abs(np.sqrt(squares) / exact - 1) < 0.6).all()


def test_samples_of_groups_estimate_as_samples_of_pairs_do(pairs):
    accumulator, modes, _ = solved(as_views(pairs), grouped(np.tile(np.arange(N), 2)))
    chosen = np.random.default_rng(1).choice(N, 200, replace=False)
    sample = as_views([view[chosen] for view in pairs])
    expected = estimated_residuals(accumulator, modes, sample, paired(200), n_views=2 * N)
    found = estimated_residuals(accumulator, modes, sample, grouped(np.tile(chosen, 2)), n_views=2 * N)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.slow
def test_each_eigenvalue_has_a_true_one_within_its_residual(pairs):
    root = np.linalg.cholesky(rbf_kernel(np.concatenate(pairs), gamma=WIDTH) + 1e-12 * np.eye(2 * N))
    true = np.linalg.eigvalsh(root.T @ paired(N).matrix() @ root)
    accumulator, modes, _ = solved(as_views(pairs), paired(N))
    residuals, _ = estimated_residuals(accumulator, modes, as_views(pairs), paired(N))
    gaps = abs(modes.eigenvalues[:, None] - true).min(axis=1)
    assert (gaps <= residuals * modes.eigenvalues).all()


@pytest.mark.slow
def test_more_landmarks_leave_smaller_residuals(pairs):
    found = []
    for n_landmarks in (40, 400):
        accumulator, modes, _ = solved(as_views(pairs), paired(N), n_landmarks)
        found.append(estimated_residuals(accumulator, modes, as_views(pairs), paired(N))[0])
    assert (found[1] < 0.2 * found[0]).all()


def test_views_that_agree_share_all_of_a_modes_variance_and_others_less(pairs):
    same = [pairs[0], pairs[0]]
    for views, low, high in [(same, 1 - 1e-9, 1 + 1e-9), (pairs, 0.0, 0.99)]:
        accumulator, modes, _ = solved(as_views(views), paired(N))
        chosen = np.arange(0, N, 3)
        sample = as_views([view[chosen] for view in views])
        _, ratio = estimated_residuals(accumulator, modes, sample, paired(len(chosen)), n_views=2 * N)
        assert (ratio > low).all()
        assert (ratio < high).all()


def test_a_sample_of_one_pair_gives_what_it_can(pairs):
    accumulator, modes, _ = solved(as_views(pairs), paired(N))
    sample = as_views([view[:1] for view in pairs])
    residuals, _ = estimated_residuals(accumulator, modes, sample, paired(1), n_views=2 * N)
    assert np.isfinite(residuals).all()


def test_a_mean_over_pairs_of_samples_is_right_over_all_draws():
    # 1/n^2 sum_ij M_ij from every choice of 3 of 7 samples.
    matrix = np.random.default_rng(3).normal(size=(7, 7))
    estimates = []
    for chosen in combinations(range(7), 3):
        part = matrix[np.ix_(chosen, chosen)] / 9
        within = part.trace()
        estimates.append(3 / 7 * within + sampled_pairs_factor(3, 3 / 7) * (part.sum() - within))
    np.testing.assert_allclose(np.mean(estimates), matrix.mean(), rtol=1e-12)
