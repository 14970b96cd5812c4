import numpy as np
import pytest

from eigenstep.analysis import find_rises
from eigenstep.analysis.tracking import fit_mode, forecast_modes


def accelerating(times, half_time, rate, acceleration):
    """1 / (1 + exp(-z)) with z' = rate exp(acceleration z), z(half_time) = 0; 1 once z is infinite."""
    x = rate * (times - half_time)
    left = np.maximum(1 - acceleration * x, 1e-12)
    z = -np.log(left) / acceleration if acceleration else x
    return 1 / (1 + np.exp(-np.clip(z, -60, 60)))


def forecast(times, curves, **options):
    """Forecasts by what is learned of the curves."""
    fits = [fit_mode(times, curves[:, rise.mode], rise) for rise in find_rises(times, curves)]
    return forecast_modes(times, curves, fits, **options)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_a_logistic_mode_is_forecast_from_a_hundredth_of_its_plateau(share, logistic):
    times = np.geomspace(0.1, 10, 300)
    curve = logistic(times, [6.0], [3.0])
    count = int((curve[:, 0] < share).sum()) + 1
    (mode,) = forecast(times[:count], curve[:count], plateau=1.0)
    assert mode.told
    assert mode.half_time.value == pytest.approx(6.0, rel=1e-3)
    assert mode.half_time.low < 6.0 < mode.half_time.high


def test_forecasts_are_corrected_by_what_those_for_earlier_modes_were_wrong_by():
    times = np.linspace(0, 35, 1200)
    course = [(10.0, 4.0, 0.4), (15.0, 3.5, 0.4), (20.0, 3.0, 0.4), (30.0, 2.5, 0.4)]
    noise = np.exp(0.03 * np.random.default_rng(0).normal(size=(1200, 4)))
    curves = np.stack([accelerating(times, *mode) for mode in course], axis=1) * noise
    count = int((curves[:, 3] < 0.01).sum()) + 1
    (mode,) = forecast(times[:count], curves[:count])
    left = 30.0 - times[count - 1]
    assert mode.growth.time_to_half > 1.5 * left
    assert mode.half_time.value - times[count - 1] == pytest.approx(left, rel=0.15)
    assert mode.half_time.low < 30.0 < mode.half_time.high


@pytest.mark.slow
def test_intervals_cover_what_comes_in_runs_that_accelerate_or_slow_down_each_in_its_way():
    generator, covered = np.random.default_rng(0), []
    times = np.linspace(0, 30, 600)
    for _ in range(60):
        acceleration = generator.uniform(-0.1, 0.4)
        half_times, rates = np.cumsum(generator.uniform(4, 7, 4)), generator.uniform(2, 4, 4)
        scatter = acceleration + 0.05 * generator.normal(size=4)
        curves = np.stack(
            [accelerating(times, *mode) for mode in zip(half_times, rates, scatter, strict=True)], axis=1
        )
        curves *= np.exp(0.05 * generator.normal(size=curves.shape))
        count = int((curves[:, 3] < 0.02).sum()) + 1
        (found,) = [mode for mode in forecast(times[:count], curves[:count]) if mode.mode == 3]
        covered.append(found.half_time.low <= half_times[3] <= found.half_time.high)
    assert 0.8 <= np.mean(covered) <= 1.0


def test_the_soonest_comes_first_of_those_that_can_be_told(logistic):
    times = np.linspace(0, 5, 100)
    curves = logistic(times, [8.0, 6.6], [2.0, 4.0])
    assert curves[-1, 0] > curves[-1, 1]  # the mode that is smaller now overtakes the other
    assert [mode.mode for mode in forecast(times, curves, plateau=1.0)] == [1, 0]


def test_a_mode_that_does_not_grow_has_no_half_time():
    times, generator = np.linspace(0, 10, 100), np.random.default_rng(0)
    (mode,) = forecast(times, 1e-4 * np.exp(-0.1 * times + 0.01 * generator.normal(size=100))[:, None])
    assert mode.half_time.value == np.inf
    assert not mode.told
    assert mode.half_time.low == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_told_a_time(seed):
    times, generator = np.linspace(0, 10, 100), np.random.default_rng(seed)
    for mode in forecast(times, 1e-4 * np.exp(generator.normal(size=(100, 3)))):
        assert not mode.told


def test_too_few_records_tell_nothing(logistic):
    times = np.linspace(0, 1, 5)
    (mode,) = forecast(times, logistic(times, [3.0], [4.0]))
    assert mode.growth is None
    assert not mode.told


def test_the_probe_batch_steadies_the_forecast_where_it_grows_in_step(logistic):
    times, errors = np.linspace(0, 10, 300), {"batch": [], "probe": []}
    for seed in range(20):
        generator = np.random.default_rng(seed)
        curve = logistic(times, [6.0], [3.0])
        count = int((curve[:, 0] < 0.01).sum())
        batch = (curve * np.exp(0.3 * generator.normal(size=curve.shape)))[:count]
        probe = (1.7 * curve * np.exp(0.02 * generator.normal(size=curve.shape)))[:count]
        for name, variances in (("batch", None), ("probe", probe)):
            (mode,) = forecast_modes(times[:count], batch, [], plateau=1.0, variances=variances)
            errors[name].append(abs(mode.half_time.value - 6.0))
    assert np.mean(errors["probe"]) < 0.6 * np.mean(errors["batch"])


def test_a_probe_batch_that_grows_at_another_rate_is_not_believed(logistic):
    times = np.linspace(0, 10, 300)
    curve = logistic(times, [6.0], [3.0])
    count = int((curve[:, 0] < 0.01).sum())
    (mode,) = forecast(times[:count], curve[:count], plateau=1.0, variances=curve[:count] ** 1.3)
    assert mode.half_time.value == pytest.approx(6.0, rel=1e-3)


def test_without_records_there_are_no_forecasts():
    assert forecast_modes(np.zeros(0), np.zeros((0, 3)), []) == []
