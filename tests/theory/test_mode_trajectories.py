import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.theory import half_times, loss_curve, mode_eigenvalues, mode_scales

gammas = st.floats(1e-3, 50)
small_scales = st.floats(1e-12, 1e-2)


def scale_in_50_digits(gamma, start, time):
    with mpmath.workdps(50):
        gamma, start, time = mpmath.mpf(gamma), mpmath.mpf(start), mpmath.mpf(time)
        growth = mpmath.exp(8 * gamma * time)
        return start * mpmath.sqrt(growth) / mpmath.sqrt(1 + start**2 * gamma * (growth - 1))


@pytest.mark.parametrize("start", [1e-200, 1e-12, 1e-3, 0.4, 1.0, 3.0, 1e6])
@pytest.mark.parametrize("gamma", [3.0, 1.0, 1e-3, 0.0, -1e-3, -2.0])
def test_scales_and_eigenvalues_match_50_digits(gamma, start):
    # Exactly representable in binary, so that both sides see the same times.
    times = [0.0, 2.0**-20, 0.25, 1.5, 4.0, 16.0, 1024.0, 2.0**17]
    expected = [scale_in_50_digits(gamma, start, time) for time in times]
    scales = mode_scales([gamma], [start], times)[:, 0]
    np.testing.assert_allclose(scales, [float(s) for s in expected], rtol=2e-13, atol=1e-300)
    np.testing.assert_allclose(
        mode_eigenvalues([gamma], [start], times)[:, 0],
        [float(gamma * s**2) for s in expected],
        rtol=4e-13,
        atol=1e-300,
    )


@pytest.mark.slow
@given(gamma=gammas, start=small_scales, sign=st.sampled_from([1, -1]), when=st.floats(0.05, 2.0))
def test_each_mode_obeys_the_logistic_equation(gamma, start, sign, when):
    time = when * half_times([gamma], start)[0]
    step = 1e-4 / gamma
    before, here, after = mode_eigenvalues([sign * gamma], start, [time - step, time, time + step])[:, 0]
    slope = (after - before) / (2 * step)
    expected = 8 * sign * gamma * here * (1 - here)
    # 1 - lambda carries an absolute rounding error of order 1e-16, which the difference divides by the step.
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-10 * gamma)


@pytest.mark.slow
@given(gamma=gammas, start=small_scales)
def test_each_scale_obeys_its_equation_of_motion(gamma, start):
    time = half_times([gamma], start)[0]
    step = 1e-4 / gamma
    before, here, after = mode_scales([gamma], start, [time - step, time, time + step])[:, 0]
    np.testing.assert_allclose(
        (after - before) / (2 * step), -4 * (gamma * here**2 - 1) * gamma * here, rtol=1e-5
    )


@pytest.mark.slow
@given(st.lists(gammas, min_size=2, max_size=8, unique=True), small_scales)
def test_at_equal_start_larger_gammas_are_ahead_at_all_times(values, start):
    gamma = np.sort(values)[::-1]
    times = np.linspace(0, half_times(gamma, start)[-1], 50)
    ahead = -np.diff(mode_eigenvalues(gamma, start, times), axis=1)
    assert (ahead > -1e-14).all()


@pytest.mark.slow
@given(st.lists(gammas, min_size=1, max_size=8), small_scales)
def test_the_loss_never_rises(values, start):
    times = np.linspace(0, 2 * half_times(values, start).max(), 200)
    assert (np.diff(loss_curve(mode_eigenvalues(values, start, times))) <= 1e-13).all()


def test_the_loss_is_a_staircase_from_d_down_by_one_a_mode():
    gamma = np.array([1.0, 0.3, 0.1, 0.03])
    halves = half_times(gamma, 1e-8)
    plateaus = np.concatenate(([0.0], np.sqrt(halves[:-1] * halves[1:]), [np.inf]))
    losses = loss_curve(mode_eigenvalues(gamma, 1e-8, plateaus))
    np.testing.assert_allclose(losses, [4, 3, 2, 1, 0], atol=1e-3)


def test_end_points_are_those_of_the_sign_of_gamma():
    gamma, start = [4.0, 0.0, -2.0], [1e-6, 0.3, 0.3]
    np.testing.assert_allclose(mode_scales(gamma, start, np.inf), [[0.5, 0.3, 0.0]], atol=1e-15)
    np.testing.assert_allclose(mode_eigenvalues(gamma, start, np.inf), [[1.0, 0.0, 0.0]], atol=1e-15)


def test_a_mode_with_negative_gamma_is_never_learned():
    values = mode_eigenvalues([-1.0], 0.5, np.linspace(0, 5, 100))[:, 0]
    assert values[0] == -0.25
    assert (np.diff(values) > 0).all()
    assert (values < 0).all()


def test_a_mode_without_start_stays_at_zero():
    values = mode_eigenvalues([5.0, 0.0, -5.0], 0.0, [0.0, 1.0, 1e9, np.inf])
    np.testing.assert_array_equal(values, np.zeros((4, 3)))


@pytest.mark.filterwarnings("error")
def test_extreme_times_and_scales_give_no_warning_and_no_nan():
    gamma = [1e3, 1.0, 1e-9, 0.0, -1e-9, -1e3]
    for start in (0.0, 5e-324, 1e-150, 1.0, 1e6):
        scales = mode_scales(gamma, start, [0.0, 1e-300, 1.0, 1e300, np.inf], learning_rate=None)
        assert np.isfinite(scales).all()


def test_one_time_and_one_scale_are_accepted():
    assert mode_eigenvalues([1.0, 0.5], 1e-3, 2.0).shape == (1, 2)
    np.testing.assert_array_equal(
        mode_scales([1.0, 0.5], 1e-3, 2.0), mode_scales([1.0, 0.5], [1e-3, 1e-3], [2.0])
    )


@pytest.mark.parametrize("times", [[-1.0], [np.nan], [[0.0, 1.0]]])
def test_times_that_make_no_sense_are_refused(times):
    with pytest.raises(ValueError, match="times >= 0"):
        mode_scales([1.0], 1e-3, times)


def test_a_loss_of_a_single_number_is_refused():
    with pytest.raises(ValueError, match=r"shape \(\.\.\., d\)"):
        loss_curve(0.5)
