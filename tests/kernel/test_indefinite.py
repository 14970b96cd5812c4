"""Kernels with negative eigenvalues, and pairs that leave none positive: refused alike by every solver."""

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import additive_chi2_kernel

from eigenstep import ContrastiveKernelPCA

SOLVERS = ("dense", "krylov", "nystrom")
RNG = np.random.default_rng(0)
X = np.abs(RNG.normal(size=(80, 5)))
Y = np.abs(X + 0.1 * RNG.normal(size=X.shape))


def negative_distance(a, b):
    return -cdist(a, b)


def difference_of_gaussians(a, b):
    squares = cdist(a, b, "sqeuclidean")
    return np.exp(-0.1 * squares) - 0.7 * np.exp(-squares)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("kernel", "advice"),
    [
        (difference_of_gaussians, "or center=True for a kernel that is only conditionally positive"),
        (negative_distance, "or center=True"),
        ("additive_chi2", "or center=True"),
        ("sigmoid", "or center=True"),
    ],
)
def test_an_indefinite_kernel_is_refused_in_the_same_words(kernel, advice, dtype, solver):
    options = {"kernel": kernel, "gamma": 1.0, "coef0": -1.0, "solver": solver, "random_state": 0}
    model = ContrastiveKernelPCA(3, y_is="view", **options)
    message = f"There are significant negative eigenvalues, .* positive semi-definite kernel .*{advice}"
    with pytest.raises(ValueError, match=message):
        model.fit(X.astype(dtype), Y.astype(dtype))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kernel", [difference_of_gaussians, "sigmoid"])
def test_nobody_is_told_to_set_what_is_set(kernel, solver):
    options = {"kernel": kernel, "gamma": 1.0, "coef0": -1.0, "solver": solver, "random_state": 0}
    model = ContrastiveKernelPCA(3, center=True, **options)
    with pytest.raises(ValueError, match="significant negative eigenvalues") as caught:
        model.fit(X)
    assert "center=True" not in str(caught.value)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("views", ["rows", "pairs"])
@pytest.mark.parametrize("kernel", ["additive_chi2", negative_distance])
def test_a_conditionally_positive_kernel_has_modes_once_it_is_centred(kernel, views, dtype, solver):
    first, second = X.astype(dtype), Y.astype(dtype)
    rows = np.concatenate((first, second)).astype(float) if views == "pairs" else first.astype(float)
    matrix = (additive_chi2_kernel if kernel == "additive_chi2" else negative_distance)(rows, rows)
    centring = np.eye(len(rows)) - 1 / len(rows)
    values, vectors = np.linalg.eigh(centring @ matrix @ centring)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    swapped = np.roll(root, 80, axis=0) if views == "pairs" else root
    gamma = np.linalg.eigvalsh(root @ swapped / len(rows))[::-1]

    options = {"kernel": kernel, "solver": solver, "center": True, "random_state": 0}
    model = ContrastiveKernelPCA(3, y_is="view" if views == "pairs" else None, **options)
    model.fit(first, second if views == "pairs" else None)
    np.testing.assert_allclose(model.eigenvalues_, gamma[:3], rtol=1e-8 if dtype == np.float64 else 1e-5)
    assert (model.residuals_ < (1e-6 if dtype == np.float64 else 5e-3)).all()
    a, b = (model.transform(part).astype(float) for part in (first, second if views == "pairs" else first))
    np.testing.assert_allclose((a.T @ b + b.T @ a) / 2 / len(a), np.eye(3), atol=2e-3)
    np.testing.assert_allclose(a.mean(axis=0) + b.mean(axis=0), 0, atol=1e-5)
    # As sums of the kernel that was given, centred modes have weights that add up to zero.
    np.testing.assert_allclose(np.asarray(model.dual_coef_).sum(axis=0), 0, atol=1e-4)


def test_batches_of_a_conditionally_positive_kernel_give_the_modes_of_all_rows():
    rows = np.abs(np.random.default_rng(1).normal(size=(400, 3)))
    exact = ContrastiveKernelPCA(3, kernel="additive_chi2", center=True).fit(rows)
    model = ContrastiveKernelPCA(3, kernel="additive_chi2", center=True, n_landmarks=200, random_state=0)
    for batch in np.split(rows, 2):
        model.partial_fit(batch)
    np.testing.assert_allclose(model.eigenvalues_, exact.eigenvalues_, rtol=1e-2)
    np.testing.assert_allclose(
        np.abs(model.transform(rows[:9])), np.abs(exact.transform(rows[:9])), atol=0.05
    )


@pytest.mark.filterwarnings("ignore:the modes' worst residual")
def test_what_a_slightly_negative_eigenvalue_leaves_is_not_told_as_zero():
    rows = np.random.default_rng(0).normal(size=(80, 4))
    options = {"kernel": "sigmoid", "gamma": 1e-3, "coef0": 0, "random_state": 0}
    for solver in SOLVERS:
        model = ContrastiveKernelPCA(3, solver=solver, **options).fit(rows)
        assert (model.residuals_ > 0).all()
    # The landmarks leave the negative part, the square root of 1e-5 of the largest eigenvalue, behind.
    assert (model.residuals_ > 1e-3).all()


GRAPHS = {
    "all pairs apart": -np.ones((80, 80)),
    "each apart from itself": -np.eye(80),
    "pairs apart": -np.roll(np.eye(80), 40, axis=0),
    "none": np.zeros((80, 80)),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("objective", ["barlow_twins", "simclr", "vicreg", "lejepa"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_without_positive_pairs_learns_no_mode(graph, objective, solver):
    model = ContrastiveKernelPCA(2, objective=objective, solver=solver, random_state=0)
    with pytest.raises(ValueError, match="no mode is learned without positive pairs"):
        model.fit(X, pair_graph=GRAPHS[graph])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("objective", ["simclr", "vicreg", "lejepa"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_constant_rows_are_no_mode_of_an_objective_that_takes_off_the_mean(kernel, objective, dtype, solver):
    rows = np.full((60, 4), 0.7, dtype)
    model = ContrastiveKernelPCA(1, kernel=kernel, objective=objective, solver=solver, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="no mode is learned"):
            model.fit(rows)


def test_weights_that_are_nearly_all_negative_leave_the_modes_that_they_have():
    graph = 1.0001 * np.eye(80) - np.ones((80, 80))
    values, vectors = np.linalg.eigh(np.exp(-cdist(X, X, "sqeuclidean") / 5))
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    gamma = np.linalg.eigvalsh(root @ graph @ root / np.abs(graph).sum())[::-1]
    for solver in SOLVERS:
        model = ContrastiveKernelPCA(2, solver=solver, random_state=0).fit(X, pair_graph=graph)
        np.testing.assert_allclose(model.eigenvalues_, gamma[:2], rtol=1e-5)
