"""order="invariance": Gamma v = rho Sigma v in the leading principal directions of the views."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import KernelPCA
from sklearn.metrics.pairwise import pairwise_kernels

from eigenstep import ContrastiveKernelPCA
from eigenstep.theory import subspace_overlap

SOLVERS = ("dense", "krylov", "nystrom")


def pairs(n=150, p=6, seed=0, dtype=np.float64):
    """Two views of samples, of which the largest directions are those that are shared least."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(p, p))
    x = rng.normal(size=(n, p)) + 0.5
    noise = np.linspace(1.5, 0.2, p)
    first, second = ((x + noise * rng.normal(size=x.shape)) * np.linspace(2, 0.5, p) @ mix for _ in range(2))
    return first.astype(dtype), second.astype(dtype)


def own_rbf(a, b):
    return pairwise_kernels(a, b, metric="rbf", gamma=0.02)


def swap(n):
    return np.roll(np.eye(2 * n), n, axis=1) / (2 * n)


def grouped_matrix(ids):
    same = (ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)
    sizes = same.sum(axis=1) + 1
    samples = len({each for each, size in zip(ids, sizes, strict=True) if size > 1})
    return same / np.maximum(samples * sizes * (sizes - 1), 1)[:, None]


def twin(kernel, pairs, n_principal, center=False):
    """All rho and the modes' values on the views: features from the kernel's root, and scipy's solver."""
    values, vectors = np.linalg.eigh(kernel)
    features = vectors * np.sqrt(values.clip(min=0))
    features = features - features.mean(axis=0) if center else features
    sigma = features.T @ (np.abs(pairs).sum(axis=1)[:, None] * features)
    leading = np.linalg.eigh(sigma)[1][:, ::-1][:, :n_principal]
    some = features @ leading
    rho, turn = scipy.linalg.eigh(some.T @ pairs @ some, leading.T @ sigma @ leading)
    turn /= np.linalg.norm(turn, axis=0)
    return rho[::-1], (some @ turn)[:, ::-1]


def check_against_twin(model, rows, kernel, pairs, n_principal, k, center=False, atol=1e-8):
    rho, values = twin(kernel, pairs, n_principal, center)
    assert rho[k] > 0
    np.testing.assert_allclose(model.rho_, rho[:k], atol=atol)
    np.testing.assert_allclose(model.next_rho_, rho[k], atol=atol)
    gamma = np.einsum("ij,ik,kj->j", values, pairs, values)[:k]
    np.testing.assert_allclose(model.eigenvalues_, gamma, rtol=1e4 * atol)
    scores = np.asarray(model.transform(rows)) * np.sqrt(model.eigenvalues_)
    signs = np.sign((scores * values[:, :k]).sum(axis=0))
    np.testing.assert_allclose(scores * signs, values[:, :k], atol=1e4 * atol * np.abs(values).max())


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_of_a_linear_kernel_they_are_those_of_scipys_generalised_eigenproblem(solver, center):
    x, y = pairs()
    views = np.vstack((x, y))
    model = ContrastiveKernelPCA(
        4, kernel="linear", y_is="view", order="invariance", solver=solver, center=center, random_state=0
    ).fit(x, y)
    check_against_twin(model, views, views @ views.T, swap(len(x)), 6, 4, center)
    assert model.solver_.endswith("by rho in all 6 principal directions beyond rounding")
    # Not the modes that are learned first.
    first = ContrastiveKernelPCA(4, kernel="linear", y_is="view", center=center).fit(x, y)
    assert np.abs(np.corrcoef(first.transform(x)[:, 0], model.transform(x)[:, 0])[0, 1]) < 0.9


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("kind", ["groups", "weights", "negative weights", "augmented"])
def test_for_every_kind_of_pairs_and_in_few_directions_of_a_kernel(kind, solver, center):
    rows = np.vstack(pairs(40))
    ids = np.concatenate((np.arange(40), np.arange(20), np.arange(10), [3] * 8, [97, 98]))
    given, graph, options = {"X": rows}, None, {}
    if kind == "groups":
        given["groups"] = ids
        graph = grouped_matrix(ids)
    elif kind == "augmented":
        options = {"augment": lambda each, generator: each + shifts.pop()}
        shifts = [0.5 * np.random.default_rng(2).normal(size=rows.shape), np.zeros(rows.shape)]
        graph, all_rows = swap(len(rows)), np.vstack((rows, rows + shifts[0]))
    else:
        rng = np.random.default_rng(1)
        weights = np.where(ids[:, None] == ids, rng.random((80, 80)) + 0.5, 0)
        weights -= 0.3 * (rng.random((80, 80)) < 0.03) if kind == "negative weights" else 0
        weights = weights + weights.T
        graph = weights / np.abs(weights).sum()
        given["pair_graph"] = scipy.sparse.csr_array(weights)
    rows = all_rows if kind == "augmented" else rows
    model = ContrastiveKernelPCA(
        3,
        gamma=0.02,
        order="invariance",
        n_principal=8,
        solver=solver,
        n_landmarks=len(rows),
        center=center,
        tol=1e-11,
        random_state=0,
        **options,
    )
    if kind == "negative weights" and solver == "nystrom":
        with pytest.raises(ValueError, match="expected no negative weights in pair_graph"):
            model.fit(**given)
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* of 80 rows are alone")
        model.fit(**given)
    kernel = pairwise_kernels(rows, metric="rbf", gamma=0.02)
    check_against_twin(model, rows, kernel, graph, 8, 3, center, atol=1e-7)
    assert "by rho in the leading 8 of " in model.solver_


def test_they_are_scikit_learns_canonical_correlations_taken_both_ways():
    x, y = pairs(300)
    model = ContrastiveKernelPCA(3, kernel="linear", y_is="view", order="invariance", center=True).fit(x, y)
    both, turned = np.vstack((x, y)), np.vstack((y, x))
    theirs = CCA(3, scale=False, tol=1e-12, max_iter=10_000).fit(both, turned)
    first, second = theirs.transform(both, turned)
    correlations = [np.corrcoef(first[:, at], second[:, at])[0, 1] for at in range(3)]
    np.testing.assert_allclose(model.rho_, correlations, atol=1e-6)
    own = model.transform(both)
    for at in range(3):
        assert abs(np.corrcoef(first[:, at], own[:, at])[0, 1]) > 1 - 1e-6


def test_training_with_the_spectral_contrastive_loss_ends_there():
    rng = np.random.default_rng(0)
    common, mix = rng.normal(size=(400, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x, y = (
        (common + [1.2, 0.9, 0.5, 0.2] * rng.normal(size=common.shape)) * [1.0, 0.8, 0.7, 0.5] @ mix
        for _ in range(2)
    )
    views = np.vstack((x, y))
    gamma, sigma = views.T @ swap(400) @ views, views.T @ views / 800
    w = 1e-2 * rng.normal(size=(2, 4))
    for _ in range(2000):
        w += 0.2 * (w @ gamma - w @ sigma @ w.T @ w @ sigma)
    by_rho, by_gamma = (
        ContrastiveKernelPCA(2, kernel="linear", y_is="view", order=order).fit(x, y)
        for order in ("invariance", "gamma")
    )
    assert subspace_overlap(views @ w.T, by_rho.transform(views)) > 1 - 1e-9
    assert subspace_overlap(views @ w.T, by_gamma.transform(views)) < 0.7
    # Each mode ends at a mean square of rho.
    np.testing.assert_allclose(np.linalg.eigvalsh(w @ sigma @ w.T)[::-1], by_rho.rho_, rtol=1e-9)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", ["krylov", "nystrom"])
def test_float32_rows_give_what_float64_rows_give(solver, center):
    x, y = pairs(150, dtype=np.float32)
    options = {"gamma": 0.01, "y_is": "view", "order": "invariance", "n_principal": 20, "center": center}
    single = ContrastiveKernelPCA(6, solver=solver, n_landmarks=300, random_state=0, **options).fit(x, y)
    double = ContrastiveKernelPCA(6, solver="dense", **options).fit(x.astype(float), y.astype(float))
    np.testing.assert_allclose(single.rho_, double.rho_, atol=2e-3)
    assert single.transform(x).dtype == np.float32


def test_batches_and_polishing_end_where_one_pass_and_exact_solvers_do():
    x, y = pairs(200)
    # Of a kernel of one's own the landmarks are kept as they are.
    options = {"kernel": own_rbf, "y_is": "view", "order": "invariance", "n_principal": 12, "random_state": 0}
    batched = ContrastiveKernelPCA(4, n_landmarks=60, **options)
    for batch in range(4):
        part = slice(50 * batch, 50 * batch + 50)
        batched.partial_fit(x[part], y[part])
    landmarks = np.asarray(batched._pass.landmarks)
    views = np.vstack((x, y))
    # One pass over the same landmarks: what they make of the kernel is a kernel itself.
    to_them, among = own_rbf(views, landmarks), own_rbf(landmarks, landmarks)
    rho, _ = twin(to_them @ np.linalg.pinv(among, rcond=1e-13) @ to_them.T, swap(200), 12)
    np.testing.assert_allclose(batched.rho_, rho[:4], atol=1e-8)
    exact = ContrastiveKernelPCA(4, solver="krylov", **options).fit(x, y)
    polished = ContrastiveKernelPCA(4, solver="nystrom", n_landmarks=60, polish=20, **options).fit(x, y)
    np.testing.assert_allclose(polished.rho_, exact.rho_, atol=1e-9)


def test_where_views_agree_they_are_kernel_pcas():
    x, _ = pairs(60)
    options = {"kernel": "rbf", "gamma": 0.02}
    theirs = KernelPCA(5, **options).fit(x)
    for given in ((x,), (x, x)):
        y_is = "view" if len(given) == 2 else None
        ours = ContrastiveKernelPCA(
            5, order="invariance", center=True, y_is=y_is, whiten=False, n_principal=20, **options
        ).fit(*given)
        np.testing.assert_allclose(ours.rho_, 1, atol=1e-10)
        np.testing.assert_allclose(np.abs(ours.transform(x)), np.abs(theirs.transform(x)), atol=1e-6)


def test_directions_without_contrast_are_no_directions():
    x, y = pairs()
    expected = ContrastiveKernelPCA(6, kernel="linear", y_is="view", order="invariance").fit(x, y)
    for solver in SOLVERS:
        wide = [np.hstack((each, each[:, :2], np.zeros((len(each), 3)))) for each in (x, y)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "n_components=8 modes were asked for, 6 have")
            model = ContrastiveKernelPCA(
                8, kernel="linear", y_is="view", order="invariance", solver=solver, random_state=0
            ).fit(*wide)
        np.testing.assert_allclose(model.rho_, expected.rho_, atol=1e-9)
        assert model.next_rho_ == 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_is_wholly_invariant_and_once_centred_nothing_is_left(solver):
    constant = np.full((30, 3), 2.0)
    options = {"kernel": "linear", "y_is": "view", "order": "invariance", "solver": solver}
    model = ContrastiveKernelPCA(1, random_state=0, **options).fit(constant, constant)
    np.testing.assert_allclose(model.rho_, 1)
    with pytest.raises(ValueError, match="no mode is learned from these"):
        ContrastiveKernelPCA(1, center=True, random_state=0, **options).fit(constant, constant)


def test_in_groups_of_any_size_a_constant_has_rho_1_and_none_has_more():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(12), [2, 2, 3, 9, 2, 2, 2, 4, 2, 2, 2, 30])
    rows = np.hstack((rng.normal(size=(62, 2)) + 0.5 * rng.normal(size=(12, 2))[ids], np.ones((62, 1))))
    model = ContrastiveKernelPCA(1, kernel="linear", order="invariance").fit(rows, groups=ids)
    np.testing.assert_allclose(model.rho_, 1)
    np.testing.assert_allclose(model.transform(rows).std(axis=0), 0, atol=1e-10)


def test_whitened_embeddings_have_the_identity_as_cross_correlation_and_scores_have_unit_norm():
    x, y = pairs()
    options = {"gamma": 0.02, "y_is": "view", "order": "invariance", "n_principal": 10}
    model = ContrastiveKernelPCA(None, **options).fit(x, y)
    assert 1 < model.n_components_ <= 10
    f, g = model.transform(x), model.transform(y)
    np.testing.assert_allclose((f.T @ g + g.T @ f) / (2 * len(x)), np.eye(model.n_components_), atol=1e-8)
    scores = clone(model).set_params(whiten=False).fit(x, y).transform(x)
    np.testing.assert_allclose(scores, f * np.sqrt(model.eigenvalues_), atol=1e-10)
    kernel = pairwise_kernels(np.vstack((x, y)), metric="rbf", gamma=0.02)
    np.testing.assert_allclose(
        np.einsum("ij,ik,kj->j", model.dual_coef_, kernel, model.dual_coef_), 1, atol=1e-8
    )


def test_in_the_order_of_gamma_rho_is_the_invariance_ratio():
    model = ContrastiveKernelPCA(3, y_is="view").fit(*pairs())
    np.testing.assert_array_equal(model.rho_, model.invariance_ratio_)
    assert np.isnan(model.next_rho_)


def test_sparse_precomputed_tensor_and_own_kernels_agree():
    x, y = pairs(50)
    rows = np.vstack((x, y))
    ids = np.tile(np.arange(50), 2)
    options = {"order": "invariance", "n_principal": 5, "random_state": 0}
    expected = ContrastiveKernelPCA(2, kernel="linear", **options).fit(rows, groups=ids).rho_
    others = [
        ContrastiveKernelPCA(2, kernel="linear", **options).fit(scipy.sparse.csr_array(rows), groups=ids),
        ContrastiveKernelPCA(2, kernel="precomputed", **options).fit(rows @ rows.T, groups=ids),
        ContrastiveKernelPCA(2, kernel="linear", **options).fit(torch.tensor(rows), groups=ids),
        ContrastiveKernelPCA(2, kernel=lambda a, b: a @ b.T, **options).fit(rows, groups=ids),
    ]
    for model in others:
        np.testing.assert_allclose(model.rho_, expected, atol=1e-9)


def test_pickles_and_pre_images_work():
    x, y = pairs()
    model = ContrastiveKernelPCA(
        6, kernel="linear", y_is="view", order="invariance", fit_inverse_transform=True, alpha=1e-8
    ).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(x), model.transform(x))
    np.testing.assert_allclose(model.inverse_transform(model.transform(x)), x, atol=1e-4)
    assert clone(model).get_params()["n_principal"] == 256


def test_the_course_of_learning_is_refused(tmp_path):
    x, y = pairs()
    model = ContrastiveKernelPCA(2, y_is="view", order="invariance", n_principal=20).fit(x, y)
    for ask in (
        model.learning_times,
        lambda: model.trajectory(1.0),
        lambda: model.loss_curve(1.0),
        model.predicted_leak,
        lambda: model.transform(x, time=1.0),
        lambda: model.to_run(tmp_path / "run"),
    ):
        with pytest.raises(ValueError, match="expected order='gamma' for the course of learning"):
            ask()
    assert not hasattr(model, "growth_rates_")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": "rho"}, "expected order as 'gamma' or 'invariance', got 'rho'"),
        ({"objective": "simclr"}, "expected objective='barlow_twins' for order='invariance'.*center=True"),
        ({"objective": "vicreg"}, "expected objective='barlow_twins' for order='invariance'"),
        ({"n_principal": 1}, "expected n_principal of at least n_components=2, got 1"),
        ({"n_principal": 0}, "expected n_principal as an integer >= 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words):
        ContrastiveKernelPCA(2, y_is="view", **{"order": "invariance"} | options).fit(*pairs())


def test_as_many_directions_as_samples_are_warned_of():
    x, y = pairs(40)
    with pytest.warns(UserWarning, match="principal directions can tell all 40 samples apart"):
        ContrastiveKernelPCA(2, gamma=0.5, y_is="view", order="invariance").fit(x, y)
