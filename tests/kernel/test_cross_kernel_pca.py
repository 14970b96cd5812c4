"""`CrossKernelPCA` beside scikit-learn's PLSSVD and CCA, dense kernel matrices, and the linear theory."""

import warnings

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA, PLSSVD
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.utils.estimator_checks import check_estimator

from eigenstep.kernel import CrossKernelPCA
from eigenstep.theory import CLIP


@pytest.fixture
def two_kinds():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(120, 3)) * [2.0, 1.0, 0.5]
    x = shared @ rng.normal(size=(3, 6)) + rng.normal(size=(120, 6)) + 3.0
    y = shared @ rng.normal(size=(3, 4)) + rng.normal(size=(120, 4)) - 1.0
    return x, y


def assert_equal_up_to_signs(actual, expected, atol=1e-8):
    signs = np.sign((actual * expected).sum(axis=0))
    np.testing.assert_allclose(actual * signs, expected, atol=atol * np.abs(expected).max())


def test_linear_modes_are_those_of_plssvd(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(3, kernel="linear", whiten=False).fit(x, y)
    peer = PLSSVD(3, scale=False).fit(x, y)
    scores, scores_y = peer.transform(x, y)
    assert_equal_up_to_signs(model.transform(x), scores)
    assert_equal_up_to_signs(model.transform_y(y), scores_y)
    covariance = np.cov(x.T, y.T, bias=True)[:6, 6:]
    np.testing.assert_allclose(model.singular_values_, np.linalg.svd(covariance)[1][:3])
    correlations = [np.corrcoef(p, q)[0, 1] for p, q in zip(scores.T, scores_y.T, strict=True)]
    np.testing.assert_allclose(model.rho_, correlations)


def test_linear_modes_by_invariance_are_canonical_variates_of_cca(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(3, kernel="linear", order="invariance", whiten=False).fit(x, y)
    scores, scores_y = CCA(3, tol=1e-14, max_iter=100000).fit(x, y).transform(x, y)
    assert_equal_up_to_signs(model.transform(x), scores / scores.std(axis=0), 1e-5)
    assert_equal_up_to_signs(model.transform_y(y), scores_y / scores_y.std(axis=0), 1e-5)
    correlations = [np.corrcoef(p, q)[0, 1] for p, q in zip(scores.T, scores_y.T, strict=True)]
    np.testing.assert_allclose(model.rho_, correlations, rtol=1e-6)


def test_within_principal_directions_cca_is_of_the_leading_scores(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(2, kernel="linear", order="invariance", n_principal=2).fit(x, y)
    leading = []
    for rows in two_kinds:
        left, _, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        leading.append(left[:, :2])
    np.testing.assert_allclose(model.rho_, np.linalg.svd(leading[0].T @ leading[1])[1])


def test_singular_values_and_functions_are_those_of_the_dense_kernel_matrices(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(
        4,
        gamma=0.02,
        kernel_y="poly",
        kernel_params_y={"degree": 2, "gamma": 0.1, "coef0": 1},
        random_state=0,
    ).fit(x, y)
    n, center = len(x), np.eye(len(x)) - 1 / len(x)
    of_x = center @ rbf_kernel(x, gamma=0.02) @ center
    of_y = center @ polynomial_kernel(y, degree=2, gamma=0.1, coef0=1) @ center
    values, vectors = np.linalg.eig(of_x @ of_y / n**2)
    order = np.argsort(-values.real)[:4]
    np.testing.assert_allclose(model.singular_values_, np.sqrt(values.real[order]), rtol=1e-8)
    assert_equal_up_to_signs(
        model.transform(x) / np.linalg.norm(model.transform(x), axis=0),
        vectors.real[:, order] / np.linalg.norm(vectors.real[:, order], axis=0),
        1e-6,
    )
    assert model.explained_ == pytest.approx(1.0)
    assert model.explained_y_ == pytest.approx(1.0)


@pytest.mark.parametrize("order", ["gamma", "invariance"])
def test_whitened_sides_have_the_identity_as_their_cross_covariance(two_kinds, order):
    x, y = two_kinds
    model = CrossKernelPCA(3, gamma=0.02, order=order, n_principal=10, random_state=0).fit(x, y)
    first, second = model.transform(x), model.transform_y(y)
    np.testing.assert_allclose(first.T @ second / len(x), np.eye(3), atol=1e-7)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-7)
    leading = model.rho_ if order == "invariance" else model.singular_values_
    assert (np.diff(leading) < 0).all()
    np.testing.assert_allclose(model.fit_transform(x, y), first)
    swapped = CrossKernelPCA(3, gamma=0.02, order=order, n_principal=10, random_state=0).fit(y, x)
    np.testing.assert_allclose(swapped.singular_values_, model.singular_values_, rtol=1e-6)


def test_new_rows_do_not_depend_on_their_company(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(3, gamma=0.02, random_state=0).fit(x[:80], y[:80])
    together = model.transform(x[80:])
    np.testing.assert_allclose(
        np.concatenate([model.transform(x[at : at + 1]) for at in range(80, 120)]), together
    )
    # The two sides of new things agree about as those of the known ones.
    seen, new = (
        np.corrcoef(model.transform(x[part])[:, 0], model.transform_y(y[part])[:, 0])[0, 1]
        for part in (slice(0, 80), slice(80, 120))
    )
    assert new > 0.6 * seen > 0.3


def test_learning_times_are_those_of_clips_theory(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(4, kernel="linear").fit(x, y)
    family = CLIP.from_data(x, y, temperature=0.5)
    left, _, right = np.linalg.svd(family.cross_covariance, full_matrices=False)
    solution = family.solve((1e-4 * left.T, 1e-4 * right))  # aligned
    np.testing.assert_allclose(model.learning_times(1e-4, 0.5), solution.half_times)
    with pytest.raises(ValueError, match="expected order='gamma' for the course of learning"):
        CrossKernelPCA(1, kernel="linear", order="invariance").fit(x, y).learning_times()


def test_few_landmarks_leave_late_modes_too_small_and_say_so(two_kinds):
    x, y = two_kinds
    exact = CrossKernelPCA(5, gamma=0.02, random_state=0).fit(x, y)
    with pytest.warns(UserWarning, match="15 landmarks explain .* late modes come out too small"):
        few = CrossKernelPCA(5, gamma=0.02, n_landmarks=15, random_state=0).fit(x, y)
    lost = 1 - few.singular_values_ / exact.singular_values_
    assert (lost > 0).all()
    assert lost[-1] > lost[0]
    assert few.explained_ < 1


def test_a_single_precision_side_gives_single_precision_and_the_same_modes(two_kinds):
    x, y = two_kinds
    double = CrossKernelPCA(3, gamma=0.02, random_state=0).fit(x, y)
    single = CrossKernelPCA(3, gamma=0.02, random_state=0).fit(x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(single.singular_values_, double.singular_values_, rtol=1e-4)
    assert single.transform(x.astype(np.float32)).dtype == np.float32
    assert single.transform_y(y.astype(np.float32)).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("order", ["gamma", "invariance"])
def test_scikit_learns_checks_pass(order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(CrossKernelPCA(1, order=order, random_state=0), on_skip=None, on_fail=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    assert not failed, failed


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"order": "rho"}, None, "order as 'gamma' or 'invariance', got 'rho'"),
        ({"n_components": 0}, None, "n_components as an integer >= 1, got 0"),
        ({"kernel": "precomputed"}, None, "precomputed kernel is not taken here"),
        ({}, lambda x, y: (x, y[:-1]), "inconsistent numbers of samples"),
        ({}, lambda x, y: (x, None), "requires y to be passed"),
        ({}, lambda x, y: (x, np.where(y > 2, np.nan, y)), "Input y contains NaN"),
        ({}, lambda x, y: (x, np.ones_like(y)), "share nothing"),
        ({"order": "invariance"}, lambda x, y: (x, np.ones_like(y)), "share nothing"),
    ],
)
def test_bad_input_is_refused(two_kinds, options, change, message):
    x, y = change(*two_kinds) if change else two_kinds
    with pytest.raises(ValueError, match=message):
        CrossKernelPCA(**({"n_components": 1} | options)).fit(x, y)


def test_rows_of_another_width_are_refused_on_either_side(two_kinds):
    x, y = two_kinds
    model = CrossKernelPCA(1).fit(x, y)
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.transform(y)
    with pytest.raises(ValueError, match="expecting 4 features of the second side"):
        model.transform_y(x)
