import numpy as np
import pytest

from eigenstep.analysis import Rise, find_rises
from eigenstep.analysis.tracking import fit_mode, log_rise_curve
from eigenstep.theory import mode_eigenvalues


def fit_noisy(times, curve, noise):
    noisy = curve * np.exp(noise)
    rises = find_rises(times, noisy[:, None])
    return fit_mode(times, noisy, rises[0]) if rises else None


def test_gamma_and_half_time_are_those_of_the_closed_form():
    gamma, scales = np.array([2.0, 1.0, 0.4]), np.full(3, 1e-5)
    times = np.geomspace(0.1, 20, 400)
    curves = mode_eigenvalues(gamma, scales, times)
    half_times = np.log(1 / (gamma * scales**2) - 1) / (8 * gamma)
    for rise, g, half in zip(find_rises(times, curves), gamma, half_times, strict=True):
        fit = fit_mode(times, curves[:, rise.mode], rise)
        assert fit.gamma.value == pytest.approx(g, rel=1e-3)
        assert fit.half_time.value == pytest.approx(half, rel=1e-4)
        assert fit.width.value == pytest.approx(np.log(81) / (8 * g), rel=1e-3)
        assert fit.plateau.value == pytest.approx(1.0, rel=1e-3)
        assert abs(fit.acceleration.value) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cadence", "spread", "correlation"),
    [("even", 0.15, 0.0), ("even", 0.15, 0.5), ("even", 0.1, 0.8), ("log", 0.1, 0.5)],
)
def test_nine_intervals_in_ten_cover_the_truth(cadence, spread, correlation, logistic, correlated_noise):
    generator = np.random.default_rng(0)
    times = np.linspace(0, 10, 150) if cadence == "even" else np.geomspace(0.05, 10, 400)
    curve = logistic(times, [5.0], [4.0], 0.8)[:, 0]
    truth = {"half_time": 5.0, "width": np.log(81) / 4, "plateau": 0.8, "gamma": 0.5}
    covered = []
    for _ in range(120):
        fit = fit_noisy(times, curve, spread * correlated_noise(len(times), correlation, generator))
        ends = {name: getattr(fit, name) for name in truth}
        covered.append([ends[name].low <= value <= ends[name].high for name, value in truth.items()])
    share = np.mean(covered, axis=0)
    assert share.min() >= 0.8
    assert share.max() <= 0.97


@pytest.mark.slow
def test_more_records_make_narrower_intervals(logistic, correlated_noise):
    widths = []
    for records in (60, 240, 960):
        times, generator = np.linspace(0, 10, records), np.random.default_rng(0)
        curve = logistic(times, [5.0], [4.0])[:, 0]
        fits = [fit_noisy(times, curve, 0.1 * correlated_noise(records, 0, generator)) for _ in range(15)]
        widths.append(np.median([fit.half_time.high - fit.half_time.low for fit in fits]))
    np.testing.assert_allclose(np.divide(widths[:-1], widths[1:]), 2.0, rtol=0.3)  # as 1 / sqrt(records)


def test_outlying_minibatches_hardly_move_the_fit(logistic):
    times, generator = np.linspace(0, 10, 200), np.random.default_rng(0)
    curve = logistic(times, [5.0], [4.0])[:, 0]
    noise = 0.05 * generator.normal(size=200)
    clean = fit_noisy(times, curve, noise)
    noise[[90, 104, 120, 160]] += [3.0, -3.0, 2.0, -3.0]
    moved = fit_noisy(times, curve, noise)
    assert abs(moved.half_time.value - clean.half_time.value) < 0.03
    assert moved.gamma.value == pytest.approx(clean.gamma.value, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("acceleration", [-0.2, 0.0, 0.2, 0.4])
def test_half_time_and_width_of_a_rise_that_accelerates_are_its_own(acceleration):
    """Against z' = exp(a z) integrated in small steps."""
    z, course = -9.0, []
    while z < 6:
        course.append(z)
        z += 1e-3 * np.exp(acceleration * z)
    course, times = np.array(course), 1e-3 * np.arange(len(course))
    half, tenth, most = np.interp([0, -np.log(9), np.log(9)], course, times)
    kept = np.unique(np.searchsorted(times, half + np.linspace(-8, 8, 120)).clip(0, len(times) - 1))
    curve = 1 / (1 + np.exp(-course[kept]))
    fit = fit_mode(times[kept], curve, Rise(0, half + 0.2, 1.0, 4.0))
    assert fit.half_time.value == pytest.approx(half, abs=0.01)
    assert fit.width.value == pytest.approx(most - tenth, rel=0.01)
    assert fit.acceleration.value == pytest.approx(acceleration, abs=0.02)


@pytest.mark.parametrize("acceleration", [0.0, 1e-6, 0.3, -0.05])
def test_derivatives_are_those_of_the_curve(acceleration):
    times, step = np.linspace(4, 6, 21), 1e-6
    parameters = np.array([5.0, np.log(0.7), np.log(0.8), acceleration])
    numeric = [
        (log_rise_curve(times, parameters + shift)[0] - log_rise_curve(times, parameters - shift)[0])
        / (2 * step)
        for shift in step * np.eye(4)
    ]
    np.testing.assert_allclose(
        log_rise_curve(times, parameters)[1], np.stack(numeric, axis=1), rtol=1e-4, atol=1e-4
    )


def test_a_rise_within_a_record_is_placed_between_the_records_about_it():
    times = np.arange(20.0)
    curve = np.where(times < 10, 1e-6, 1.0)
    fit = fit_mode(times, curve, find_rises(times, curve[:, None])[0])
    assert 9 <= fit.half_time.low <= fit.half_time.value <= fit.half_time.high <= 10
    assert fit.width.low == 0
    assert fit.gamma.high == np.inf


def test_a_plateau_that_is_known_is_kept(logistic):
    times = np.linspace(0, 5.5, 100)
    curve = logistic(times, [5.0], [4.0])[:, 0]  # the record ends in the middle of the rise
    fit = fit_mode(times, curve, find_rises(times, curve[:, None], plateau=1.0)[0], plateau_spread=0.0)
    assert fit.plateau.value == pytest.approx(1.0, abs=1e-6)
    assert fit.half_time.value == pytest.approx(5.0, abs=1e-3)
    assert fit.gamma.value == pytest.approx(0.5, rel=1e-2)


def test_records_that_are_not_finite_or_not_positive_are_left_out(logistic):
    times = np.linspace(0, 10, 200)
    curve = logistic(times, [5.0], [4.0])[:, 0]
    rise = find_rises(times, curve[:, None])[0]
    curve[[102, 110, 120]] = [np.nan, -1.0, 0.0]
    assert fit_mode(times, curve, rise).half_time.value == pytest.approx(5.0, abs=1e-3)
