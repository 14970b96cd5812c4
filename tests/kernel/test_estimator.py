"""ContrastiveKernelPCA as a user meets it: scikit-learn's contract, its peers, and the theory."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from eigenstep import ContrastiveKernelPCA
from eigenstep.losses import NTXentLoss
from eigenstep.theory import cross_correlation, half_times, kernel_gradient_flow, subspace_overlap


def pairs(n=60, p=5, noise=0.3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * np.linspace(2, 0.5, p)
    return x.astype(dtype), (x + noise * rng.normal(size=x.shape)).astype(dtype)


def literal(kernel, n_pairs):
    """K~^{1/2} Z K~^{1/2} by dense float64 eigenproblems: the slow twin of every solver."""
    values, vectors = np.linalg.eigh(kernel)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    swapped = np.concatenate((root[n_pairs:], root[:n_pairs])) / (2 * n_pairs)
    return np.linalg.eigvalsh(root @ swapped)[::-1]


@pytest.mark.slow
@parametrize_with_checks(
    [
        ContrastiveKernelPCA(random_state=0),
        ContrastiveKernelPCA(n_components=2, kernel="linear", center=True, whiten=False),
        ContrastiveKernelPCA(n_components=1, solver="krylov", random_state=0),
        ContrastiveKernelPCA(n_components=1, solver="nystrom", n_landmarks=10, random_state=0),
        ContrastiveKernelPCA(n_components=1, order="invariance", random_state=0),
        ContrastiveKernelPCA(1, order="invariance", solver="nystrom", n_landmarks=10, random_state=0),
        ContrastiveKernelPCA(1, order="invariance", solver="krylov", center=True, random_state=0),
    ]
)
@pytest.mark.filterwarnings("ignore:n_components=")
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", sorted(PAIRWISE_KERNEL_FUNCTIONS))
def test_centred_without_pairs_it_is_scikit_learns_kernel_pca(name):
    x = np.abs(pairs(40)[0]) + 0.1
    options = {"gamma": 1e-4, "coef0": 0.0} if name == "sigmoid" else {"gamma": 0.1, "coef0": 0.5}
    matrix = pairwise_kernels(x, metric=name, filter_params=True, **options)
    theirs = KernelPCA(4, kernel="precomputed").fit(matrix)
    ours = ContrastiveKernelPCA(4, kernel=name, center=True, whiten=False, **options).fit(x)
    # The sigmoid kernel has slightly negative eigenvalues, which are no part of ours.
    rtol = 1e-5 if name == "sigmoid" else 1e-8
    np.testing.assert_allclose(ours.eigenvalues_ * len(x), theirs.eigenvalues_, rtol=rtol)
    np.testing.assert_allclose(
        np.abs(ours.transform(x)), np.abs(theirs.transform(matrix)), rtol=1e-6, atol=1e-7
    )


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["dense", "krylov"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_eigenvalues_are_those_of_the_literal_contrastive_kernel(solver, dtype):
    x, y = pairs(150, dtype=dtype)
    model = ContrastiveKernelPCA(8, gamma=0.1, y_is="view", solver=solver, random_state=0).fit(x, y)
    views = np.concatenate((x, y)).astype(np.float64)
    expected = literal(pairwise_kernels(views, metric="rbf", gamma=0.1), len(x))[:8]
    np.testing.assert_allclose(model.eigenvalues_, expected, rtol=1e-9 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("solver", ["dense", "krylov", "nystrom"])
def test_linear_kernel_gives_the_linear_models_modes(solver):
    x, y = pairs()
    model = ContrastiveKernelPCA(3, kernel="linear", solver=solver, random_state=0, y_is="view").fit(x, y)
    gamma, vectors = np.linalg.eigh(cross_correlation(x, y))
    np.testing.assert_allclose(model.eigenvalues_, gamma[::-1][:3], rtol=1e-8)
    expected = x @ vectors[:, ::-1][:, :3] / np.sqrt(gamma[::-1][:3])
    np.testing.assert_allclose(np.abs(model.transform(x)), np.abs(expected), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("solver", ["dense", "krylov"])
def test_embeddings_cross_correlation_over_the_pairs_is_the_identity(solver):
    x, y = pairs()
    model = ContrastiveKernelPCA(5, solver=solver, random_state=0, y_is="view").fit(x, y)
    a, b = model.transform(x), model.transform(y)
    np.testing.assert_allclose((a.T @ b + b.T @ a) / (2 * len(x)), np.eye(5), atol=1e-5)


def test_invariance_ratio_is_the_modes_correlation_between_the_views():
    x, y = pairs()
    model = ContrastiveKernelPCA(5, y_is="view").fit(x, y)
    a, b = model.transform(x), model.transform(y)
    expected = (a * b).mean(axis=0) / ((a**2 + b**2) / 2).mean(axis=0)
    np.testing.assert_allclose(model.invariance_ratio_, expected, rtol=1e-9)
    assert (model.invariance_ratio_ < 1).all()
    np.testing.assert_allclose(ContrastiveKernelPCA(5, y_is="view").fit(x, x).invariance_ratio_, 1, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "views"),
    [("rbf", "pairs"), ("poly", "pairs"), ("linear", "pairs"), ("precomputed", "pairs"), ("rbf", "groups")],
)
def test_kernel_gradient_flow_learns_these_modes_at_these_times(kernel, views):
    rng = np.random.default_rng(1)
    x, y = pairs(30, 4)
    rows = np.concatenate((x, y, 0.9 * x[:10] + 0.1 * y[:10]) if views == "groups" else (x, y))
    groups = np.concatenate((np.tile(np.arange(30), 2), np.arange(10)))[: len(rows)]
    options = {"gamma": 0.15, "degree": 2}
    name = "rbf" if kernel == "precomputed" else kernel
    matrix = pairwise_kernels(rows, metric=name, filter_params=True, **options, coef0=1)
    model = ContrastiveKernelPCA(3, kernel=kernel, **options)
    model.fit(matrix if kernel == "precomputed" else rows, groups=groups)

    graph = np.zeros_like(matrix)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        graph[np.ix_(members, members)] = 1 / (30 * len(members) * (len(members) - 1))
    np.fill_diagonal(graph, 0)
    # A start whose d functions are small, random and aligned with the modes: rotated, so no axis is special.
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    start = 1e-4 * rotation @ model.dual_coef_.T
    expected = model.learning_times(init_scale=1e-4)
    times = np.linspace(0, 1.3 * expected[-1], 4000)
    flow = kernel_gradient_flow(matrix, graph, start, times, rtol=1e-8)
    np.testing.assert_allclose(flow.half_times, expected, rtol=0.01)
    learned = flow.final_weights @ matrix
    predicted = model.transform(matrix if kernel == "precomputed" else rows).T
    assert subspace_overlap(learned.T, predicted.T) > 0.999


def test_learning_times_are_the_theorys():
    x, y = pairs()
    model = ContrastiveKernelPCA(4, y_is="view").fit(x, y)
    np.testing.assert_allclose(model.learning_times(1e-3), half_times(model.eigenvalues_, 1e-3))
    middle = model.trajectory(model.learning_times(1e-3), 1e-3)
    np.testing.assert_allclose(np.diag(middle), 0.5)
    assert model.loss_curve([0.0, np.inf], 1e-3) == pytest.approx([4, 0], abs=1e-4)
    z = model.transform(x, time=model.learning_times(1e-3)[1], init_scale=1e-3)
    np.testing.assert_allclose(z[:, 1], np.sqrt(0.5) * model.transform(x)[:, 1], rtol=1e-9)


@pytest.mark.parametrize("objective", ["simclr", "vicreg"])
def test_objectives_change_the_operator(objective):
    x, y = pairs()
    model = ContrastiveKernelPCA(3, kernel="linear", objective=objective, y_is="view").fit(x, y)
    n, views = len(x), np.concatenate((x, y))
    gamma, second = cross_correlation(x, y), views.T @ views / (2 * n)
    if objective == "simclr":
        mean = views.mean(axis=0)
        expected = gamma - 2 * n / (2 * n - 1) * np.outer(mean, mean) + second / (2 * n - 1)
    else:
        spread = (np.cov(x.T) + np.cov(y.T)) / 2
        expected = spread - 0.02 * (x - y).T @ (x - y) / n
    np.testing.assert_allclose(model.eigenvalues_, np.linalg.eigvalsh(expected)[::-1][:3], rtol=1e-9)
    assert (np.diff(model.growth_rates_) < 0).all()
    if objective == "vicreg":
        with pytest.raises(ValueError, match="growth_rates_"):
            model.learning_times()


@pytest.mark.parametrize("center", [False, True])
def test_simclrs_modes_end_where_the_real_loss_turns_to_fourth_order(center):
    x, y = pairs(noise=0.8)
    x, y = x + 0.3, y + 0.3
    options = {"objective": "simclr", "objective_params": {"temperature": 0.7}, "center": center}
    model = ContrastiveKernelPCA(2, kernel="linear", **options, y_is="view").fit(x, y)
    loss = NTXentLoss(temperature=0.7, normalize="none")
    ends = model.transform(x), model.transform(y)
    for mode in range(2):
        # L(s) = c0 + c2 s^2 + c4 s^4 + ... along one mode; the model's end is s = 1.
        sizes = np.array([0.0, 0.02, 0.04, 0.06, 0.08])
        values = [float(loss(*(torch.from_numpy(size * end[:, [mode]]) for end in ends))) for size in sizes]
        c4, c2, _ = np.polyfit(sizes**2, values, 2)
        assert -c2 / (2 * c4) == pytest.approx(1, rel=0.04)
        t = model.trajectory(np.inf, 1e-3)[0, mode]
        assert t == pytest.approx(model.eigenvalues_[mode] * np.square(model._output_scales(None, 1.0)[mode]))


def test_pairs_groups_and_graph_are_three_ways_to_say_the_same():
    x, y = pairs()
    rows, ids = np.concatenate((x, y)), np.tile(np.arange(len(x)), 2)
    graph = scipy.sparse.coo_array((np.ones(120), (np.arange(120), (np.arange(120) + 60) % 120)))
    first = ContrastiveKernelPCA(4, y_is="view").fit(x, y)
    views = [x, y]
    for model in (
        ContrastiveKernelPCA(4).fit(rows, groups=ids),
        ContrastiveKernelPCA(4).fit(rows, pair_graph=graph.tocsr()),
        ContrastiveKernelPCA(4, augment=lambda rows, generator: views.pop(0)).fit(x),
    ):
        np.testing.assert_allclose(model.eigenvalues_, first.eigenvalues_, rtol=1e-10)
        np.testing.assert_allclose(model.transform(x), first.transform(x), rtol=1e-7, atol=1e-9)


def test_tensors_in_tensors_out_with_the_same_values():
    x, y = pairs(dtype=np.float32)
    arrays = ContrastiveKernelPCA(3, y_is="view").fit(x, y)
    tensors = ContrastiveKernelPCA(3, y_is="view").fit(torch.from_numpy(x), torch.from_numpy(y))
    z = tensors.transform(torch.from_numpy(x))
    assert isinstance(z, torch.Tensor)
    assert z.dtype == torch.float32
    np.testing.assert_array_equal(z.numpy(), arrays.transform(x))
    assert arrays.transform(x).dtype == np.float32
    assert arrays.transform(x.astype(np.float64)).dtype == np.float64


@pytest.mark.slow
def test_models_pickle_clone_search_and_name_their_outputs():
    x, y = pairs()
    model = ContrastiveKernelPCA(3, random_state=0, y_is="view").fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(x), model.transform(x))
    assert clone(model).get_params() == model.get_params()
    assert list(model.get_feature_names_out()) == [f"contrastivekernelpca{j}" for j in range(3)]
    labels = (x[:, 0] > 0).astype(int)
    augment = lambda rows, generator: rows + 0.1 * generator.normal(size=rows.shape)  # noqa: E731
    pipeline = make_pipeline(ContrastiveKernelPCA(augment=augment, random_state=0), LogisticRegression())
    grid = {"contrastivekernelpca__n_components": [1, 3], "contrastivekernelpca__gamma": [0.01, 0.1]}
    assert GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(x, labels).best_score_ > 0.8


def test_more_components_than_positive_eigenvalues_are_a_warning():
    x, y = pairs(p=3)
    with pytest.warns(UserWarning, match="n_components=10 modes were asked for, 3 have"):
        model = ContrastiveKernelPCA(10, kernel="linear", y_is="view").fit(x, y)
    assert model.transform(x).shape == (60, 3)
    assert model.n_positive_ == 3


def test_none_keeps_every_positive_eigenvalue():
    x, y = pairs()
    views = np.concatenate((x, y))
    expected = literal(pairwise_kernels(views, metric="rbf"), len(x))
    model = ContrastiveKernelPCA(None, y_is="view").fit(x, y)
    assert model.n_components_ == (expected > 1e-12).sum()


def test_the_model_keeps_nothing_of_the_users_arrays():
    x, _ = pairs()
    rows = x.copy()
    model = ContrastiveKernelPCA(3, kernel="linear").fit(rows)
    before = model.transform(x)
    rows[:] = 7.0
    np.testing.assert_array_equal(model.transform(x), before)


@pytest.mark.slow
def test_fewer_bytes_recompute_the_kernel_to_the_same_modes():
    x, y = pairs(700)
    stored = ContrastiveKernelPCA(4, solver="krylov", random_state=0, y_is="view").fit(x, y)
    tight = ContrastiveKernelPCA(4, solver="krylov", random_state=0, memory_budget=1e7, y_is="view").fit(x, y)
    assert "recomputed" in tight.solver_
    np.testing.assert_allclose(tight.eigenvalues_, stored.eigenvalues_, rtol=1e-12)
    with pytest.raises(MemoryError, match=r"memory_budget above .* MiB.*got 9.8 KiB"):
        ContrastiveKernelPCA(4, solver="krylov", memory_budget=1e4, y_is="view").fit(x, y)


@pytest.mark.slow
def test_float32_rows_of_a_nearly_constant_kernel_are_solved_in_float64():
    x, y = pairs(700, dtype=np.float32)
    model = ContrastiveKernelPCA(20, gamma=3e-4, solver="krylov", random_state=0, y_is="view").fit(x, y)
    exact = ContrastiveKernelPCA(20, gamma=3e-4, y_is="view", solver="dense")
    exact.fit(x.astype(float), y.astype(float))
    assert "in float64" in model.solver_
    np.testing.assert_allclose(model.eigenvalues_, exact.eigenvalues_, rtol=1e-5)


@pytest.mark.slow
def test_polishing_makes_landmarks_modes_exact():
    x, y = pairs(300)
    exact = ContrastiveKernelPCA(6, gamma=0.3, y_is="view").fit(x, y)
    errors = []
    for polish in (0, 2, 6):
        model = ContrastiveKernelPCA(
            6, gamma=0.3, y_is="view", solver="nystrom", n_landmarks=60, polish=polish, random_state=0
        ).fit(x, y)
        errors.append(np.abs(model.eigenvalues_ / exact.eigenvalues_ - 1).max())
    assert errors[0] > 1e-3 > errors[1] > 1e-7 > errors[2]


def test_residuals_are_those_of_the_returned_modes():
    x, y = pairs(200)
    model = ContrastiveKernelPCA(4, solver="krylov", tol=1e-2, random_state=0, y_is="view").fit(x, y)
    kernel = pairwise_kernels(np.concatenate((x, y)), metric="rbf")
    values = kernel @ model.dual_coef_
    gap = np.concatenate((values[200:], values[:200])) / 400 - model.dual_coef_ * model.eigenvalues_
    expected = np.sqrt(np.einsum("ij,ij->j", gap, kernel @ gap)) / model.eigenvalues_
    np.testing.assert_allclose(model.residuals_, expected, rtol=1e-6)
    assert expected.max() < 1e-2


@pytest.mark.slow
def test_leak_is_what_a_simulated_start_learns_beyond_the_last_mode():
    gamma = np.array([1.0, 0.8, 0.5])
    x = np.sqrt(3 * gamma) * np.eye(3)
    model = ContrastiveKernelPCA(1, kernel="linear", y_is="view").fit(x, x)
    scale = 1e-4
    leak = model.predicted_leak(scale)[0]
    flow = kernel_gradient_flow(
        x @ x.T, np.eye(3) / 3, scale / np.sqrt(3 * gamma) * np.ones((1, 3)), [0.0, 1e3]
    )
    values = flow.final_weights @ x @ x.T
    np.testing.assert_allclose(np.sqrt(np.mean(values[0, 1] ** 2 / 3)), leak, rtol=0.3)
