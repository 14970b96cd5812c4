import numpy as np
import pytest

from eigenstep.analysis import Rise, find_rises, running_median, separate_steps


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


@pytest.mark.slow
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


def dipping(dips):
    """Nothing, then 1 from record 20 on for 100 records, of which so many early ones are back at nothing."""
    curve = np.repeat([0.0, 1.0], [20, 100])
    for pair in range(dips // 2):
        curve[25 + 4 * pair : 27 + 4 * pair] = 0
    return curve[:, None]


@pytest.mark.parametrize(("dips", "half_time"), [(8, 20), (12, 31)])
def test_a_mode_has_risen_for_good_where_nine_in_ten_of_the_records_after_are_above(dips, half_time):
    (rise,) = find_rises(np.arange(120.0), dipping(dips), plateau=1.0)
    assert half_time - 1 <= rise.half_time <= half_time


@pytest.mark.parametrize(("share", "learned"), [(0.145, 1), (0.155, 2)])
def test_a_mode_counts_from_15_hundredths_of_the_largest_plateau_on(share, learned):
    curves = logistic(np.linspace(0, 10, 200), [2.0, 4.0], [1.0, 1.0], [1.0, share])
    assert len(find_rises(np.linspace(0, 10, 200), curves)) == learned


@pytest.mark.parametrize(("growth", "learned"), [(4.9, 0), (5.1, 1)])
def test_a_mode_counts_from_five_times_its_first_value_on(growth, learned):
    times = np.linspace(0, 10, 200)
    curve = 1 / growth + (1 - 1 / growth) * logistic(times, [4.0], [1.0])
    assert len(find_rises(times, curve)) == learned


@pytest.mark.parametrize(("lengths", "learned"), [(1.45, 0), (1.55, 1)])
def test_a_mode_has_settled_after_one_and_a_half_of_its_time_from_a_tenth_to_half(lengths, learned):
    times = np.arange(0, 11 + 10 * lengths, 0.05)
    curve = np.where(times < 1, 0.05, np.where(times < 11, 0.1 + 0.04 * (times - 1), 1.0))
    assert len(find_rises(times, curve[:, None])) == learned


@pytest.mark.parametrize(("after", "learned"), [(2, 0), (3, 1)])
def test_a_plateau_is_three_records_at_least(after, learned):
    curve = np.repeat([1e-6, 1.0], [10, after])
    assert len(find_rises(np.arange(len(curve)), curve[:, None])) == learned


def test_three_records_are_the_fewest_that_tell_a_rise():
    assert len(find_rises([0.0, 1.0, 2.0], [[0.0], [1.0], [1.0]], plateau=1.0)) == 1
    assert find_rises([0.0, 1.0], [[0.0], [1.0]], plateau=1.0) == []


@pytest.mark.parametrize(("highest", "learned"), [(0.49, 0), (0.51, 1)])
def test_where_the_plateau_is_known_half_of_it_must_be_reached(highest, learned):
    times = np.linspace(0, 10, 200)
    curve = np.minimum(logistic(times, [5.0], [1.0]), highest)
    assert len(find_rises(times, curve, plateau=1.0)) == learned


def test_the_plateau_is_what_follows_the_last_rise_through_half_of_it():
    overshot = np.repeat([0.0, 3.0, 1.0], [20, 5, 75])
    (rise,) = find_rises(np.arange(100.0), overshot[:, None])
    assert rise.plateau == 1.0
    two_stairs = np.repeat([0.0, 0.45, 1.0], [20, 60, 120])
    (rise,) = find_rises(np.arange(200.0), two_stairs[:, None])
    assert rise.plateau == 1.0
    assert rise.half_time == pytest.approx(79.5, abs=0.5)


@pytest.mark.parametrize(("apart", "steps"), [(0.49, 1), (0.51, 2)])
def test_two_rises_are_separate_from_half_of_their_mean_width_on(apart, steps):
    rises = [Rise(0, 1.0, 1.0, 0.5), Rise(1, 1.0 + apart, 1.0, 1.5)]
    assert len(separate_steps(rises)) == steps


def rises_by_definition(times, curves, plateau):
    """Every mode by the definition, with no thought for what that costs."""

    def from_where_on(above):
        shares = [above[start:].mean() for start in range(len(above))]
        good = [start for start, share in enumerate(shares) if above[start] and share >= 0.9]
        return good[0] if good else len(above) - 1

    def level_of(curve):
        level = curve.max()
        for _ in range(20):
            level, before = float(np.median(curve[from_where_on(curve >= level / 2) :])), level
            if level == before:
                break
        return level

    def crossing(curve, level, share):
        at = from_where_on(curve >= share * level)
        if at == 0:
            return times[0]
        ratios = np.clip(curve[at - 1 : at + 1] / level, 1e-12, 1 - 1e-12)
        low, high = np.log(ratios / (1 - ratios)) - np.log(share / (1 - share))
        weight = -low / (high - low) if high > low else 0.5
        return float(times[at - 1] + np.clip(weight, 0, 1) * (times[at] - times[at - 1]))

    smooth = running_median(curves)
    levels = [level_of(curve) if plateau is None else plateau for curve in smooth.T]
    rises = []
    for mode, (curve, level) in enumerate(zip(smooth.T, levels, strict=True)):
        if curve.max() < level / 2 or level <= 0 or level < 0.15 * max(levels) or level < 5 * curve[0]:
            continue
        half, tenth, most = (crossing(curve, level, share) for share in (0.5, 0.1, 0.9))
        settled = times[-1] - half >= 1.5 * (half - tenth) and (times >= half).sum() >= 3
        if plateau is not None or settled:
            rises.append(Rise(mode, half, level, most - tenth))
    return rises


@pytest.mark.slow
@pytest.mark.parametrize("plateau", [None, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_what_cannot_have_risen_is_passed_over_without_a_difference_to_the_last_bit(seed, plateau):
    rng = np.random.default_rng(seed)
    records, dim = int(rng.integers(3, 90)), int(rng.integers(1, 14))
    times = np.sort(rng.uniform(0, 10, records))
    curves = logistic(times, rng.uniform(-1, 12, dim), rng.uniform(0.05, 2, dim), rng.lognormal(0, 1, dim))
    curves = curves * np.exp(rng.uniform(0, 0.4) * rng.normal(size=curves.shape))
    curves += rng.choice([0.0, 1e-9, 0.1]) * rng.normal(size=curves.shape)
    curves = -np.sort(-curves, axis=1)
    assert find_rises(times, curves, plateau=plateau) == rises_by_definition(times, curves, plateau)
