"""Each convention and threshold of fits, growth, delays and forecasts, by inputs on both its sides."""

import numpy as np
import pytest
from scipy import stats

from eigenstep.analysis import Rise, follow_modes
from eigenstep.analysis.tracking import (
    Delay,
    Estimate,
    Growth,
    Risen,
    Upcoming,
    delay_of,
    fit_mode,
    forecast_modes,
    forecast_next,
    measure_growth,
    track_modes,
)
from eigenstep.record import RecordWriter, read_record


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, float)))


# --- growth


@pytest.mark.parametrize(("units", "rate"), [(2.1, 1.0), (1.8, 0.9)])
def test_growth_is_that_of_the_last_two_natural_units(units, rate):
    times = np.linspace(0, 8, 801)
    z = np.where(times > 8 - units, times, 0.3 * times + 0.7 * (8 - units)) - 14
    found = measure_growth(times, sigmoid(z), 1.0)
    if units > 2:
        assert found.rate == pytest.approx(1.0, rel=1e-3)
    else:
        assert 0.75 < found.rate < 0.995


@pytest.mark.parametrize(("records", "known"), [(5, False), (6, True)])
def test_six_records_are_the_fewest_that_tell_growth(records, known):
    times = np.arange(float(records))
    assert (measure_growth(times, sigmoid(times - 20), 1.0) is not None) == known


def test_fast_growth_is_seen_over_six_records_however_much_that_is():
    times = np.arange(20.0)
    z = np.where(times >= 14, 3.0 * (times - 14), times - 14) - 30
    assert measure_growth(times, sigmoid(z), 1.0).rate == pytest.approx(3.0, rel=0.05)
    z = np.where(times >= 15, 3.0 * (times - 15), times - 15) - 30
    assert measure_growth(times, sigmoid(z), 1.0).rate < 2.9


@pytest.mark.parametrize(("before", "exact"), [(400, True), (370, False)])
def test_slow_growth_is_seen_over_four_hundred_records(before, exact):
    times = np.arange(1000.0)
    change = times[-1] - before
    z = np.where(times > change, 1e-3 * (times - change), 3e-3 * (times - change)) - 9
    found = measure_growth(times, sigmoid(z), 1.0)
    assert (abs(found.rate - 1e-3) < 2e-6) == exact


def test_the_line_and_its_errors_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    times = np.linspace(0, 1.9, 60)
    z = times - 8 + 0.05 * rng.normal(size=60)
    middle = np.median(np.stack([np.r_[z[:1], z[:-1]], z, np.r_[z[1:], z[-1:]]]), axis=0)
    line = stats.linregress(times - times[-1], middle)
    found = measure_growth(times, sigmoid(z), 1.0)
    assert (found.rate, found.level) == pytest.approx((line.slope, line.intercept))
    assert found.rate_error == pytest.approx(line.stderr)
    residual = middle - line.intercept - line.slope * (times - times[-1])
    assert found.roughness == pytest.approx(np.sqrt((residual**2).sum() / 58))


@pytest.mark.parametrize(("rate", "believed"), [(0.91, True), (0.89, False), (1.09, True), (1.11, False)])
def test_the_probe_batch_is_believed_while_it_grows_within_a_tenth_as_fast(rate, believed):
    times = np.linspace(0, 1.9, 50)
    batch, probe = np.exp(times - 12), 3 * np.exp(rate * times - 12)
    found = measure_growth(times, batch, 1.0, probe)
    assert found.rate == pytest.approx(rate if believed else 1.0, rel=1e-3)


@pytest.mark.parametrize(("roughness", "unsteadiness"), [(0.0, 0.1), (0.003, 0.1), (0.015, 0.5), (0.06, 1.0)])
def test_growth_is_as_unsteady_as_a_networks_from_three_hundredths_of_roughness_on(roughness, unsteadiness):
    assert Growth(-4.0, 1.0, 0.0, roughness).unsteadiness == pytest.approx(unsteadiness)


# --- delays


def risen(lateness, half_time=0.0, rate=2.0):
    """A logistic rise whose half-time came earlier, by e^lateness of what remained at level -4."""
    times = np.linspace(half_time - 8, half_time + 4, 2401)
    values = sigmoid(rate * (times - half_time))
    now = times[int((values < sigmoid(-4.0)).sum())]
    left = half_time - now
    return Risen(times, values, None, 1.0, now + left * np.exp(-lateness))


def test_before_any_mode_has_risen_the_scatter_is_that_of_networks():
    assert delay_of(Growth(-4.0, 1.0, 0.0, 0.03), []) == Delay(0.0, pytest.approx(0.4 * np.sqrt(6)), 3.0)
    assert delay_of(Growth(-5.0, 1.0, 0.0, 0.03), []).deviation == pytest.approx(0.4 * np.sqrt(6))
    assert delay_of(Growth(-10.0, 1.0, 0.0, 0.03), []).deviation == pytest.approx(0.8 * np.sqrt(6))
    assert delay_of(Growth(-4.0, 1.0, 0.0, 0.0), []).deviation == pytest.approx(0.04 * np.sqrt(6))


@pytest.mark.parametrize("latenesses", [[0.5], [0.5, 0.1], [-0.2, 0.3, 0.4]])
def test_what_forecasts_were_wrong_by_updates_a_normal_distribution_of_unknown_mean_and_variance(latenesses):
    """The conjugate prior's predictive: an observation of 0 weighing .2, scatter .4 known from 3."""
    modes = [risen(each, 20.0 * place) for place, each in enumerate(latenesses)]
    found = delay_of(Growth(-4.0, 1.0, 0.0, 0.03), modes)
    x, n = np.array(latenesses), len(latenesses)
    squares = 3 * 0.4**2 + ((x - x.mean()) ** 2).sum() + 0.2 * n / (0.2 + n) * x.mean() ** 2
    assert found.mean == pytest.approx(x.sum() / (0.2 + n), abs=0.01)
    assert found.freedom == 3 + n
    assert found.deviation == pytest.approx(np.sqrt(squares / (3 + n) * (1 + 1 / (0.2 + n))), rel=0.01)


def test_one_forecast_counts_for_no_more_than_one_and_a_half():
    for lateness, counted in ((1.4, 1.4), (2.5, 1.5)):
        mean = delay_of(Growth(-4.0, 1.0, 0.0, 0.03), [risen(lateness)]).mean
        assert mean == pytest.approx(counted / 1.2, rel=0.01)


def test_the_latest_eight_modes_are_learned_from():
    modes = [risen(0.4 if place < 2 else 0.0, 20.0 * place) for place in range(10)]
    found = delay_of(Growth(-4.0, 1.0, 0.0, 0.03), modes)
    assert found.freedom == 11
    assert found.mean == pytest.approx(0.0, abs=1e-3)
    assert delay_of(Growth(-4.0, 1.0, 0.0, 0.03), modes[:9]).mean > 0.03


def test_the_interval_is_students_and_holds_the_errors_of_rate_and_plateau():
    growth, delay = Growth(-4.0, 2.0, 0.3, 0.0), Delay(0.2, 0.25, 5.0)
    found = delay.remaining(growth, 0.8)
    middle = 2.0 * np.exp(-0.2)
    reach = stats.t.ppf(0.95, 5) * np.sqrt(0.25**2 + (0.3 / 2.0) ** 2 + (0.8 / 4.0) ** 2)
    assert found == pytest.approx((middle, middle * np.exp(-reach), middle * np.exp(reach)))
    near = delay.remaining(Growth(-0.2, 2.0, 0.0, 0.0), 0.8)
    assert np.log(near.high / near.value) == pytest.approx(
        stats.t.ppf(0.95, 5) * np.sqrt(0.25**2 + (0.8 / 0.5) ** 2)
    )


# --- what may be told


def mode(low, value, high, growth, spread=0.0):
    return Upcoming(0, growth, Estimate(value, low, high), 1.0, spread)


SMOOTH = Growth(-4.6, 0.1, 0.0, 0.001)


@pytest.mark.parametrize(
    ("told", "untold"),
    [
        (mode(76.0, 100.0, 125.0, SMOOTH), mode(74.0, 100.0, 125.0, SMOOTH)),  # half of the half-time
        (mode(90, 100, 110, Growth(-7.9, 0.1, 0, 0.03)), mode(90, 100, 110, Growth(-8.1, 0.1, 0, 0.03))),
        (mode(90, 100, 110, Growth(-79.0, 0.1, 0, 0)), mode(90, 100, 110, Growth(-81.0, 0.1, 0, 0))),
        (mode(90, 100, 110, Growth(-4.6, 0.1, 0, 0.29)), mode(90, 100, 110, Growth(-4.6, 0.1, 0, 0.31))),
        (mode(90, 100, 110, SMOOTH, 2.29), mode(90, 100, 110, SMOOTH, 2.31)),  # half of the depth
    ],
)
def test_a_half_time_is_told_up_to_here(told, untold):
    assert told.told
    assert not untold.told


def test_four_modes_may_be_the_next():
    times = np.linspace(0, 1, 50)
    curves = 1e-4 * np.exp(times[:, None] - np.arange(7.0))
    assert len(forecast_modes(times, curves, [])) == 4


def test_a_plateau_is_guessed_from_the_latest_modes_within_two_fifths():
    times = np.linspace(0, 4, 81)
    curves = sigmoid([8.0, 4.0] * (times[:, None] - np.array([2.0, 6.0])))
    fits = [fit_mode(times, curves[:, 0], Rise(0, 2.0, 1.0, 0.55))]
    (after,) = forecast_modes(times, curves, fits)
    assert (after.plateau, after.plateau_spread) == pytest.approx((1.0, 0.4), rel=1e-3)
    first = forecast_modes(times, curves, [])[0]
    assert (first.plateau, first.plateau_spread) == (1.0, 0.8)


def test_a_mode_that_does_not_grow_comes_at_the_soonest_as_two_errors_more_would_have_it():
    rng = np.random.default_rng(3)
    times = np.linspace(0, 10, 60)
    curve = 1e-3 * np.exp(-0.002 * times + 0.05 * rng.normal(size=60))
    growth = measure_growth(times, curve, 1.0)
    assert -growth.rate < 2 * growth.rate_error
    assert growth.rate <= 0
    (found,) = forecast_modes(times, curve[:, None], [], plateau=1.0)
    faster = Growth(growth.level, growth.rate + 2 * growth.rate_error, 0.0, growth.roughness)
    assert found.half_time.low == pytest.approx(10 + delay_of(growth, []).remaining(faster, 0.0).low)


@pytest.mark.parametrize(("last", "words"), [(1090.0, "to step 1,090."), (1110.0, "on.")])
def test_an_end_is_named_up_to_ten_times_the_beginning(last, words):
    found = forecast_next([mode(110.0, 500.0, last, Growth(-4.6, 0.1, 0, 0.5))], 100.0)
    assert found.sentence.endswith("from step 110 " + words)


# --- of a record


def history(path, curves, config=None, **files):
    writer = RecordWriter(path, curves.shape[1])
    for step, curve in enumerate(curves):
        writer.append(step, 0.1 * step, {"cross_correlation": curve, "covariance": curve}, loss=1.0)
    record = read_record(path)
    record.config.update(config or {})
    return follow_modes(record)


@pytest.mark.parametrize(
    ("config", "first"),
    [
        ({"loss": "barlow_twins", "barlow_twins": {"normalize": "none"}}, (1.0, 0.2)),
        ({"loss": "barlow_twins", "barlow_twins": {"normalize": "batch"}}, (2.0, 0.8)),
        ({"loss": "simclr"}, (2.0, 0.8)),
        ({}, (2.0, 0.8)),
    ],
)
def test_the_first_mode_of_unnormalised_barlow_twins_is_thought_to_settle_at_1(tmp_path, config, first):
    found = history(tmp_path, 1e-4 * np.exp(np.linspace(0, 2, 30))[:, None], config).upcoming[0]
    assert (found.plateau, found.plateau_spread) == first


@pytest.mark.parametrize(("share", "rising"), [(0.54, 0), (0.57, 1)])
def test_a_mode_past_half_of_the_latest_plateau_is_rising(tmp_path, share, rising):
    times = np.linspace(0, 10, 101)
    growing = share * np.exp(times - 10)
    curves = np.stack([sigmoid(8 * (times - 3)), growing], axis=1)
    fits = history(tmp_path, curves).fits
    assert [fit.learned for fit in fits] == [True] + [False] * rising


def test_sixty_four_modes_are_followed(tmp_path):
    assert len(history(tmp_path, np.full((5, 80), 1e-3)).tracks) == 64


# --- fits


def fitted(curve, times, half_time=5.0, width=1.1, plateau=1.0):
    return fit_mode(times, curve, Rise(0, half_time, plateau, width))


def changed(curve, where):
    return np.where(where, 1.3 * curve, curve)


def test_a_fit_sees_a_twentieth_of_the_plateau_and_more_until_three_widths_after():
    times = np.linspace(0, 10, 401)
    curve = sigmoid(4 * (times - 5)) * np.exp(0.02 * np.random.default_rng(0).normal(size=401))
    rise = (5.0, 1.1, 1.0)
    known = fitted(curve, times, *rise)
    width = 2 * (5.0 - times[np.flatnonzero((times < 5) & (curve < 0.1))[-1]])
    width = min(width, 1.1)
    assert fitted(changed(curve, curve < 0.035), times, *rise) == known
    assert fitted(changed(curve, (curve > 0.055) & (curve < 0.07)), times, *rise) != known
    assert fitted(changed(curve, times > 5 + 3.02 * width), times, *rise) == known
    assert fitted(changed(curve, times > 5 + 2.95 * width), times, *rise) != known


@pytest.mark.parametrize(("records", "resolved"), [(4, False), (5, True)])
def test_five_records_are_the_fewest_that_tell_a_width(records, resolved):
    times = np.array([0.0, 3.0, *np.linspace(4.6, 6, records)])
    curve = np.where(times < 4, 1e-6, sigmoid(3 * (times - 5)))
    assert (fitted(curve, times, width=1.5).width.low > 0) == resolved


@pytest.mark.parametrize(("near", "resolved"), [(1, False), (2, True)])
def test_two_records_within_a_width_are_the_fewest_that_tell_it(near, resolved):
    times = np.array([0.0, 3.0, *([4.9, 5.1][:near]), 6.2, 6.4, 6.6, 6.8, 7.0])
    curve = np.where(times < 4, 1e-6, sigmoid(4 * (times - 5)))
    assert (fitted(curve, times, width=1.1).width.low > 0) == resolved


def test_a_long_record_is_fitted_by_a_thousand_of_its_records():
    times = np.linspace(4, 7, 3600)
    curve = sigmoid(4 * (times - 5)) * np.exp(0.1 * np.random.default_rng(0).normal(size=3600))
    first = int(np.flatnonzero((times < 5) & (curve < 0.05))[-1]) + 1
    window = np.flatnonzero((np.arange(3600) >= first) & (times <= 8.3))
    stride = -(-len(window) // 1000)
    unseen = np.ones(3600, bool)
    unseen[window[::stride]] = False
    unseen[: first + 1] = False
    unseen &= times > 5.3
    assert stride == 4
    assert fitted(changed(curve, unseen), times) == fitted(curve, times)


def test_a_fit_to_few_noisy_records_rests_on_what_is_known_beforehand():
    """Bit by bit what it was when the conventions were made: Huber's loss, priors, degrees of freedom."""
    times = np.linspace(4, 6.4, 13)
    noise = np.array([0.1, -0.2, 0.3, 0.05, -0.4, 0.2, -0.1, 0.9, 0.15, -0.6, 0.1, 0.25, -0.15])
    found = fit_mode(times, sigmoid(3 * (times - 5)) * np.exp(noise), Rise(0, 5.2, 0.9, 1.2))
    assert [*found.half_time, *found.width, *found.plateau, *found.acceleration] == pytest.approx(
        FEW_NOISY, rel=1e-4
    )


# --- tracks


def test_identities_at_the_edge_are_what_they_were():
    """A probe batch that is barely clear: sums of ranks and overlaps, when the thresholds were measured."""
    rng = np.random.default_rng(0)
    times = np.linspace(0, 20, 300)
    modes = np.array([0.5, 1.2, 0.8, 0.3]) * sigmoid(
        np.array([3.0, 2.0, 1.5, 1.0]) * (times[:, None] - np.array([3.0, 7.0, 11.0, 15.0]))
    )
    functions = rng.normal(size=(40, 4))
    points = np.zeros((300, 40, 4), np.float32)
    for record, values in enumerate(modes):
        embeddings = functions * np.sqrt(values) + 0.03 * rng.normal(size=(40, 4))
        left, sizes, _ = np.linalg.svd(embeddings - embeddings.mean(0), full_matrices=False)
        points[record] = left * sizes
    batch = -np.sort(-modes * np.exp(0.2 * rng.normal(size=modes.shape)), axis=1)
    tracks = track_modes(batch, points)
    assert [int(track.ranks.sum()) for track in tracks] == TRACKED_RANKS
    assert [float(track.overlap.sum()) for track in tracks] == pytest.approx(TRACKED_OVERLAPS, rel=1e-5)


FEW_NOISY = [
    4.94944,
    4.62562,
    5.27327,
    1.24391,
    0.673552,
    2.29725,
    0.974732,
    0.681508,
    1.39412,
    0.0975342,
    -0.303546,
    0.498615,
]
TRACKED_RANKS = [327, 105, 468, 900]
TRACKED_OVERLAPS = [263.8349, 236.4772, 190.1231, 150.5559]
