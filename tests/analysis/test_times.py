import numpy as np
import pytest
from scipy.stats import spearmanr

from eigenstep.comparison import compare_times


def test_the_rank_correlation_is_scipys_ties_included():
    rng = np.random.default_rng(0)
    predicted, measured = rng.integers(1, 6, size=(2, 9)).astype(float)
    np.testing.assert_allclose(
        compare_times(predicted, measured).rank_correlation, spearmanr(predicted, measured).statistic
    )


def test_one_constant_is_found_and_leaves_no_error_where_it_is_all_that_was_missing():
    found = compare_times([1.0, 3.0, 7.0], [2.5, 7.5, 17.5])
    np.testing.assert_allclose(found.time_factor, 2.5)
    np.testing.assert_allclose(found.errors, 1.5)
    np.testing.assert_allclose(found.fitted_errors, 0, atol=1e-12)


def test_the_constant_has_the_least_squared_error_of_logarithms():
    predicted, measured = np.array([1.0, 2.0, 4.0]), np.array([3.0, 4.0, 9.0])
    best = compare_times(predicted, measured).time_factor
    loss = [np.sum(np.log(measured / (c * predicted)) ** 2) for c in (0.99 * best, best, 1.01 * best)]
    assert loss[1] < min(loss[0], loss[2])


def test_modes_without_both_times_are_left_out():
    found = compare_times([1.0, np.inf, 3.0, 0.0], [2.0, 1.0, np.nan, 5.0])
    assert found.modes.tolist() == [0]
    assert np.isnan(found.rank_correlation)
    with pytest.raises(ValueError, match="got none"):
        compare_times([np.inf], [1.0])
    with pytest.raises(ValueError, match="one length"):
        compare_times([1.0, 2.0], [1.0])
