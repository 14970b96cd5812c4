"""What spans of modes are explained by, and what is read off them: against twins with other means."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.preprocessing import StandardScaler

from eigenstep.modes import (
    explained_shares,
    found_again,
    halves,
    held_out_r2,
    orthonormal,
    readable,
    span_found_again,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_held_out_r2_is_that_of_least_squares_where_there_are_many_images(rng):
    x = rng.normal(size=(5000, 6))
    y = x @ rng.normal(size=(6, 3)) + 2 * rng.normal(size=(5000, 3)) + 5
    split = halves(5000)
    told = np.empty_like(y)
    for fit, test in ((split.first, split.second), (split.second, split.first)):
        told[test] = LinearRegression().fit(x[fit], y[fit]).predict(x[test])
    expected = r2_score(y, told, multioutput="raw_values")
    np.testing.assert_allclose(held_out_r2(x, y, split), expected, atol=2e-3)


def test_what_is_unrelated_explains_nothing(rng):
    x, y = rng.normal(size=(300, 40)), rng.normal(size=(300, 30))
    assert held_out_r2(x, y, halves(300)).mean() < 0.02
    assert held_out_r2(x, y, halves(300), joint=True)[0] < 0.02


def test_with_more_statistics_than_images_nothing_is_made_up(rng):
    """25 images to learn from and 40 statistics: what is unrelated explains next to nothing, not less."""
    x = rng.normal(size=(50, 10)) @ rng.normal(size=(10, 40)) + 0.1 * rng.normal(size=(50, 40))
    split = halves(50)
    assert -0.3 < held_out_r2(x, rng.normal(size=(50, 20)), split, joint=True)[0] < 0.1
    strongest = np.linalg.svd(x - x.mean(axis=0))[0][:, :1]
    assert held_out_r2(x, strongest, split)[0] > 0.9


def test_the_ridge_is_that_which_leave_one_out_chooses(rng):
    """For more columns than images too: against scikit-learn's, which refits on all but one."""
    for columns in (4, 60):
        x = rng.normal(size=(60, columns))
        y = x[:, :2].sum(axis=1, keepdims=True) + rng.normal(size=(60, 1))
        split, told = halves(60), np.empty((60, 1))
        for fit, test in ((split.first, split.second), (split.second, split.first)):
            scaled = StandardScaler().fit(x[fit])
            rows = scaled.transform(x[fit])
            largest = np.linalg.norm(rows - rows.mean(axis=0), 2) ** 2
            errors = {}
            for strength in (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0):
                model = Ridge(strength * largest, solver="svd")
                scores = -cross_val_score(
                    model, rows, y[fit, 0], cv=LeaveOneOut(), scoring="neg_mean_squared_error"
                )
                errors[scores.sum()] = model
            best = errors[min(errors)].fit(rows, y[fit, 0])
            told[test, 0] = best.predict(scaled.transform(x[test]))
        expected = 1 - sum(
            np.square(y[test] - told[test]).sum() for test in (split.first, split.second)
        ) / sum(np.square(y[test] - y[test].mean()).sum() for test in (split.first, split.second))
        assert held_out_r2(x, y, split)[0] == pytest.approx(expected, abs=1e-6)


def test_constants_explain_and_are_explained_by_nothing(rng):
    x = rng.normal(size=(100, 1))
    assert held_out_r2(x, np.ones((100, 1)), halves(100))[0] == 0
    assert abs(held_out_r2(np.ones((100, 1)), x, halves(100))[0]) < 0.1


def test_the_share_of_a_span_does_not_depend_on_its_basis(rng):
    statistics = rng.normal(size=(400, 5))
    modes = statistics[:, :4] @ rng.normal(size=(4, 4)) + rng.normal(size=(400, 4))
    mixed = modes @ rng.normal(size=(4, 4))
    split = halves(400)
    one, other = (
        explained_shares(orthonormal(each), {"all": statistics}, split, [4])["all"] for each in (modes, mixed)
    )
    assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("place", [1, 3])
def test_orthonormal_modes_span_the_same_and_are_centred(rng, place):
    modes = rng.normal(size=(50, 4)) * [1, 1e-3, 1e3, 1] + 7
    modes[:, place] = modes[:, 0] + 2  # nothing new
    basis = orthonormal(modes)
    expected = np.eye(4)
    expected[place, place] = 0
    np.testing.assert_allclose(basis.T @ basis, expected, atol=1e-6)
    np.testing.assert_allclose(basis.mean(axis=0), 0, atol=1e-9)
    centred = modes - modes.mean(axis=0)
    np.testing.assert_allclose(basis @ (basis.T @ centred), centred, atol=1e-6)


def test_a_statistic_is_readable_from_the_mode_that_holds_it_on(rng):
    modes = rng.normal(size=(600, 5))
    statistic = (modes[:, 2] * 3 + 0.1 * rng.normal(size=600))[:, None]
    curve = readable(orthonormal(modes), statistic, halves(600), [1, 2, 3, 5])[0]
    assert (curve[:2] < 0.1).all()
    assert (curve[2:] > 0.95).all()


def test_spans_are_found_again_by_their_canonical_correlations(rng):
    one = rng.normal(size=(400, 2))
    other = one @ rng.normal(size=(2, 2)) + 0.7 * rng.normal(size=(400, 2))
    cca = CCA(2, max_iter=5000, tol=1e-12).fit(one, other)
    u, v = cca.transform(one, other)
    expected = np.sqrt(np.mean([np.corrcoef(u[:, k], v[:, k])[0, 1] ** 2 for k in range(2)]))
    assert span_found_again(one, other) == pytest.approx(expected, abs=1e-4)


def test_a_mode_is_found_again_whatever_its_sign_scale_and_place(rng):
    modes = rng.normal(size=(300, 3))
    np.testing.assert_allclose(found_again(modes, -5 * modes[:, [2, 0, 1]] + 3), 1)
    assert (found_again(modes, rng.normal(size=(300, 3))) < 0.3).all()
