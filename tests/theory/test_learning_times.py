import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.theory import critical_times, half_times, mode_eigenvalues, rise_widths

gammas = st.floats(1e-3, 50)


@pytest.mark.parametrize("gamma", [1e-6, 0.3, 7.0])
@pytest.mark.parametrize("start", [1e-200, 1e-12, 1e-3, 0.3])
def test_times_match_50_digits(gamma, start):
    with mpmath.workdps(50):
        value = mpmath.mpf(gamma) * mpmath.mpf(start) ** 2
        half = mpmath.log(1 / value - 1) / (8 * mpmath.mpf(gamma))
        critical = -mpmath.log(value) / (8 * mpmath.mpf(gamma))
    np.testing.assert_allclose(half_times([gamma], start), [float(half)], rtol=1e-13)
    np.testing.assert_allclose(critical_times([gamma], start), [float(critical)], rtol=1e-13)


@pytest.mark.slow
@given(gamma=gammas, start=st.floats(1e-12, 1e-2), fraction=st.floats(0.01, 0.9))
def test_the_trajectory_is_one_half_at_the_half_time(gamma, start, fraction):
    learning_rate = fraction / (4 * gamma)
    for rate in (None, learning_rate):
        time = half_times([gamma], start, rate)
        np.testing.assert_allclose(mode_eigenvalues([gamma], start, time, rate), 0.5, rtol=1e-12)


@pytest.mark.slow
@given(gamma=gammas, start=st.floats(1e-12, 1e-2), fraction=st.floats(0.01, 0.9))
def test_the_rise_from_a_tenth_to_nine_tenths_lasts_the_rise_width(gamma, start, fraction):
    for rate in (None, fraction / (4 * gamma)):
        middle = half_times([gamma], start, rate)
        width = rise_widths([gamma], rate)
        ends = mode_eigenvalues(
            [gamma], start, np.concatenate((middle - width / 2, middle + width / 2)), rate
        )
        # Symmetric about the half-time, so both ends must be right for each to be.
        np.testing.assert_allclose(ends[:, 0], [0.1, 0.9], rtol=1e-11)


def test_the_rise_width_is_0_549_over_gamma():
    assert round(float(rise_widths([1.0])[0]), 3) == 0.549
    np.testing.assert_allclose(rise_widths([4.0]), rise_widths([1.0]) / 4)


@pytest.mark.slow
@given(st.lists(gammas, min_size=2, max_size=8, unique=True))
def test_at_equal_start_modes_are_learned_in_the_order_of_gamma(values):
    gamma = np.sort(values)[::-1]
    for times in (half_times(gamma, 1e-6), critical_times(gamma, 1e-6)):
        assert (np.diff(times) >= 0).all()


def test_both_times_agree_for_a_small_start_and_part_for_a_large_one():
    np.testing.assert_allclose(half_times([1.0], 1e-6), critical_times([1.0], 1e-6), rtol=1e-12)
    np.testing.assert_allclose(half_times([1.0], 0.5) - critical_times([1.0], 0.5), np.log(0.75) / 8)


@pytest.mark.filterwarnings("error")
def test_modes_that_are_never_learned_have_infinite_times():
    gamma, start = [0.0, -1.0, 1.0], [0.1, 0.1, 0.0]
    np.testing.assert_array_equal(half_times(gamma, start), np.inf)
    np.testing.assert_array_equal(critical_times(gamma, start), np.inf)
    np.testing.assert_array_equal(rise_widths([0.0, -1.0]), np.inf)


@pytest.mark.filterwarnings("error")
def test_a_mode_that_starts_above_one_half_passed_it_at_a_negative_time():
    start = np.sqrt([0.5, 0.9, 1.0, 1.5])
    exact, above, at_one, beyond = half_times(np.ones(4), start)
    assert abs(exact) < 1e-15
    # From one half, the logistic takes -time to reach the start.
    np.testing.assert_allclose(mode_eigenvalues([1.0], np.sqrt(0.5), -above), 0.9)
    assert at_one == beyond == -np.inf
    assert critical_times([1.0], np.sqrt(1.5))[0] < 0
