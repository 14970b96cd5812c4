import numpy as np
import pytest

from eigenstep.analysis import Rise, find_rises, separate_steps


def logistic(times, half_times, gamma, plateau=1.0):
    return plateau / (1 + np.exp(-8 * np.multiply(gamma, times[:, None] - np.asarray(half_times))))


def test_half_times_and_widths_of_logistic_curves_are_exact_at_any_cadence():
    half_times, gamma = np.array([1.0, 3.3, 6.1]), np.array([2.0, 1.0, 0.5])
    for times in (np.linspace(0, 12, 400), np.linspace(0, 12, 61), np.geomspace(0.1, 12, 100)):
        rises = find_rises(times, logistic(times, half_times, gamma), plateau=1.0)
        np.testing.assert_allclose([rise.half_time for rise in rises], half_times, rtol=1e-3)
        np.testing.assert_allclose([rise.width for rise in rises], np.log(81) / (8 * gamma), rtol=5e-2)


def test_noisy_minibatch_eigenvalues_give_half_times_within_a_tenth_of_the_width():
    times = np.linspace(0, 12, 300)
    curves = logistic(times, [2.0, 5.0], [1.0, 0.7], plateau=0.8)
    noisy = curves * (1 + 0.1 * np.random.default_rng(0).normal(size=curves.shape))
    rises = find_rises(times, noisy)
    assert [rise.mode for rise in rises] == [0, 1]
    for rise, half_time in zip(rises, [2.0, 5.0], strict=True):
        assert abs(rise.half_time - half_time) < 0.1 * rise.width
        assert abs(rise.plateau - 0.8) < 0.04


def test_a_mode_that_is_still_below_the_fraction_has_not_risen():
    times = np.linspace(0, 10, 200)
    curves = np.column_stack([logistic(times, [2.0], [1.0])[:, 0], 1e-6 * np.exp(times)])
    assert curves[-1, 1] < 0.15 * curves[-1, 0]
    assert [rise.mode for rise in find_rises(times, curves)] == [0]


@pytest.mark.parametrize("records", [4, 20, 200])
@pytest.mark.parametrize("rate", [0.5, 2.0, 5.0])
def test_an_eigenvalue_that_only_grows_exponentially_is_not_learned_yet(rate, records):
    times = np.linspace(0, 10, records)
    noise = 1 + 0.02 * np.random.default_rng(0).normal(size=records)
    assert find_rises(times, (1e-9 * np.exp(rate * times) * noise)[:, None]) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("records", [20, 60, 200])
def test_an_eigenvalue_that_grows_exponentially_under_much_noise_is_not_learned_yet(records, seed):
    times = np.linspace(0, 10, records)
    noise = 0.2 * np.random.default_rng(seed).normal(size=records)
    assert find_rises(times, (1e-9 * np.exp(2.0 * times + noise))[:, None]) == []


def test_a_mode_counts_as_learned_once_it_has_reached_its_plateau():
    times = np.linspace(0, 10, 400)
    curves = logistic(times, [4.0], [1.0])
    counts = [len(find_rises(times[:end], curves[:end])) for end in range(3, 400)]
    first = times[counts.index(1) + 2]
    assert counts == sorted(counts)
    assert 4.1 < first < 4.0 + 2 * np.log(81) / 8


def test_a_spectrum_that_is_broad_from_the_start_has_no_rises():
    curves = np.ones((50, 4)) + 0.05 * np.random.default_rng(0).normal(size=(50, 4))
    assert find_rises(np.arange(50.0), curves) == []


def test_one_outlying_measurement_is_no_rise():
    times = np.linspace(0, 10, 200)
    curves = np.column_stack([logistic(times, [2.0], [1.0])[:, 0], np.full(200, 1e-4)])
    curves[150, 1] = 1.0
    assert [rise.mode for rise in find_rises(times, curves)] == [0]


def test_a_known_plateau_places_the_half_time_of_a_mode_that_has_not_settled():
    times = np.linspace(0, 5.2, 200)
    curves = logistic(times, [1.0, 5.0], [1.0, 1.0])
    known = find_rises(times, curves, plateau=1.0)
    assert known[1].half_time == pytest.approx(5.0, abs=1e-3)


def test_records_that_are_not_finite_are_left_out():
    times = np.linspace(0, 10, 200)
    curves = logistic(times, [2.0], [1.0])
    curves[100] = np.nan
    assert len(find_rises(times, curves)) == 1


def test_too_few_records_have_no_rises():
    assert find_rises([0.0, 1.0], [[0.0], [1.0]]) == []


def test_times_and_eigenvalues_must_fit():
    with pytest.raises(ValueError, match=r"times \(T,\) and eigenvalues \(T, d\)"):
        find_rises([0.0, 1.0], [[0.0, 1.0]])


def test_rises_that_overlap_are_one_step_in_order_of_time():
    rises = [Rise(2, 9.0, 1.0, 1.0), Rise(0, 1.0, 1.0, 1.0), Rise(1, 1.2, 1.0, 1.0)]
    assert [[rise.mode for rise in step] for step in separate_steps(rises)] == [[0, 1], [2]]
    assert separate_steps([]) == []
