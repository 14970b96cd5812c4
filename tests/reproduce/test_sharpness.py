import numpy as np
import pytest

from eigenstep.reproduce import (
    measured_crossings,
    predicted_crossings,
    separate_share,
    step_sharpness,
)
from eigenstep.theory import mode_eigenvalues

GAMMA = np.array([4.0, 2.5, 1.6, 1.0])


def ranked_curves(start_scales, times):
    return -np.sort(-mode_eigenvalues(GAMMA, start_scales, times), axis=1)


@pytest.mark.parametrize("start", [1e-6, 1e-3, 0.1, 0.3])
def test_the_prediction_is_what_is_measured_on_the_closed_forms_curves(start):
    times = np.linspace(0, 40, 40001)
    measured = measured_crossings(times, ranked_curves(start, times), plateau=1.0)
    np.testing.assert_allclose(measured, predicted_crossings(GAMMA, start), atol=1e-5)


def test_modes_that_overtake_are_measured_by_rank_as_they_are_recorded():
    start = [1e-6, 1e-1, 1e-3, 1e-4]  # the second mode comes first
    times = np.linspace(0, 40, 40001)
    measured = measured_crossings(times, ranked_curves(start, times), plateau=1.0)
    np.testing.assert_allclose(measured, predicted_crossings(GAMMA, start), atol=2e-3)


def test_from_one_eigenvalue_the_sharpness_is_the_formula_in_the_notes():
    start = 1e-8
    sharpness = step_sharpness(predicted_crossings(GAMMA, np.sqrt(start / GAMMA)))
    gaps = (GAMMA[:-1] - GAMMA[1:]) / (GAMMA[:-1] + GAMMA[1:])
    assert sharpness == pytest.approx(2 / np.log(81) * np.log(1 / start - 1) * np.median(gaps), rel=1e-12)


def test_a_larger_start_never_makes_steps_sharper():
    scales = np.geomspace(1e-8, 2, 60)
    sharpness = np.array([step_sharpness(predicted_crossings(GAMMA, scale)) for scale in scales])
    assert (np.diff(sharpness) <= 1e-12).all()
    assert sharpness[0] > 3
    assert sharpness[-1] == 0  # all modes start beyond 90 %: nothing rises


def test_gradient_descents_rate_stretches_times_but_not_sharpness_at_equal_eigenvalues():
    gamma = np.array([1.0, 0.5])
    flow, descent = (predicted_crossings(gamma, 1e-3, rate) for rate in (None, 0.01))
    assert (descent > flow).all()
    np.testing.assert_allclose(descent[1] / flow[1], 4 * 0.01 * gamma / np.log1p(4 * 0.01 * gamma), rtol=1e-9)


def test_modes_that_are_never_learned_are_left_out():
    assert predicted_crossings([1.0, 0.5, 0.0, -1.0], 1e-3).shape == (3, 2)
    times = np.linspace(0, 10, 500)
    curves = ranked_curves(1e-3, times)
    curves[:, 3] = 0.01  # a small eigenvalue that rests
    assert measured_crossings(times, curves).shape == (3, 3)


def test_an_eigenvalue_that_still_grows_is_not_taken_for_learned():
    times = np.linspace(0, 10, 500)
    settled = 1 / (1 + np.exp(-8 * (times - 2)))
    growing = 0.5 * np.exp(2 * (times - 10))
    assert measured_crossings(times, np.stack([settled, growing], axis=1)).shape == (3, 1)


def test_noise_and_overshoot_of_a_plateau_do_not_move_the_half_times():
    times = np.linspace(0, 8, 400)
    clean = 1 / (1 + np.exp(-8 * np.array([1.0, 0.5]) * (times[:, None] - [1.7, 3.6])))
    noise = 1 + 0.15 * np.random.default_rng(0).normal(size=clean.shape)
    half_times = measured_crossings(times, clean * noise)[1]
    np.testing.assert_allclose(half_times, [1.7, 3.6], atol=0.1)


def test_fewer_than_two_modes_have_no_sharpness():
    assert np.isnan(step_sharpness(np.zeros((3, 1))))
    assert np.isnan(separate_share(np.zeros((3, 0))))


def test_neighbours_more_than_half_a_width_apart_are_separate():
    crossings = [[0.0, 0.4, 5.0], [0.5, 0.9, 5.5], [1.0, 1.4, 6.0]]
    assert separate_share(crossings) == 0.5
