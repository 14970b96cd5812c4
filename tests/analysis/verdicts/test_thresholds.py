"""Each threshold of the verdicts, by inputs on both its sides."""

import numpy as np
import pytest
from scipy import stats

from eigenstep.analysis.verdicts import judge_snapshot, judge_spectra

SPECTRUM = np.array([1.0, 0.8, 0.5, 0.3])


def flat(records, spectrum=SPECTRUM):
    return np.ones((records, 1)) * np.asarray(spectrum, float)


def state(eigenvalues, **curves):
    return judge_spectra(np.arange(float(len(eigenvalues))), eigenvalues, **curves).state


def first(wanted, eigenvalues, **curves):
    """How many measurements there are when a state is first told, which two in a row must tell of."""
    for count in range(1, len(eigenvalues) + 1):
        if state(eigenvalues[:count], **{name: curve[:count] for name, curve in curves.items()}) == wanted:
            return count
    return None


# --- how many measurements


def test_nothing_grows_from_twenty_measurements_on():
    assert first("saturated", flat(30)) == 21


def test_something_grows_from_five_measurements_on():
    assert first("growing", flat(20) * 2.0 ** np.arange(20)[:, None]) == 6


def test_few_directions_are_left_from_eight_measurements_on():
    spread = np.r_[0.9, 0.9, 0.9, np.full(20, 0.44)]
    found = first("dimensional collapse", flat(23, [1.0, *[1e-5] * 19]), cosine_concentration=1 - spread**2)
    assert found == 9


def test_directions_that_never_were_there_are_missed_from_five_measurements_on():
    assert first("dimensional collapse", flat(20, [1, 1, 1, 1e-14])) == 6


@pytest.mark.slow
def test_two_that_agree_are_looked_for_ten_measurements_back():
    """Where every other measurement is infinite no two agree: what the tenth last one tells is said."""
    spectrum = flat(60)
    spectrum[40::2] = np.nan
    assert state(spectrum[:59]) == "saturated"
    assert state(spectrum[:60]) == "exploding"
    for first_infinite, found in ((50, "exploding"), (52, "saturated")):
        spectrum = flat(60)
        spectrum[first_infinite::2] = np.nan
        assert state(spectrum) == found


def test_four_measurements_are_the_fewest_over_which_anything_grows():
    growing = 2.0 ** np.arange(4)[:, None] * SPECTRUM
    for count, factor in ((3, 1.0), (4, 8.0)):
        found = judge_spectra(np.arange(float(count)), growing[:count])
        assert found.evidence["variance_growth"] == pytest.approx(factor)


# --- growth


@pytest.mark.parametrize(("factor", "grown"), [(1.47, "saturated"), (1.53, "growing")])
def test_the_variance_grows_by_half_in_half_of_the_time(factor, grown):
    times = np.arange(60.0)
    curve = factor ** ((times - 59) / 29.5)[:, None]
    assert state(curve * SPECTRUM) == grown


@pytest.mark.parametrize(("factor", "grown"), [(1.5, "saturated"), (1.57, "growing")])
def test_or_in_a_quarter_of_it(factor, grown):
    times = np.arange(80.0)
    since = np.clip(times - 59.25, 0, None) / 19.75
    assert state(factor ** since[:, None] * SPECTRUM) == grown


@pytest.mark.parametrize(("factor", "grown"), [(1.2, "saturated"), (1.3, "growing")])
def test_a_directions_share_grows_by_a_quarter(factor, grown):
    curves = flat(60, [1.0, 0.8, 0.5, 1e-3])
    curves[:, 3] *= factor ** ((np.arange(60) - 59) / 29.5)
    assert state(curves) == grown


@pytest.mark.parametrize(("size", "grown"), [(1e-13, False), (1e-11, True)])
def test_a_share_below_the_rounding_of_float32_does_not_grow(size, grown):
    curves = flat(60, [1.0, 0.8, 0.5, size, *[0.2] * 12])
    curves = np.hstack([curves[:, :3], curves[:, 4:], curves[:, 3:4]])
    curves[:, -1] *= 4.0 ** ((np.arange(60) - 59) / 29.5)
    assert (state(curves) == "growing") == grown


@pytest.mark.parametrize(("share", "grown"), [(0.09, "saturated"), (0.11, "growing")])
def test_the_loss_falls_by_a_tenth_of_its_whole_fall(share, grown):
    times = np.arange(60.0)
    loss = 2 - share * (times - 29.5) / 29.5
    loss[:3] = 2 - share + 1.0
    loss = np.minimum(loss, loss[:3].max())
    loss[times < 29.5] = np.where(times[times < 29.5] < 3, 3 - share, 2.0)
    assert state(flat(60), loss=loss) == grown


@pytest.mark.parametrize(("noise", "grown"), [(0.8, True), (1.25, False)])
def test_growth_of_the_variance_is_told_from_chance_at_one_in_a_hundred(noise, grown):
    curve = wavering(noise, 0.01)
    assert (state(np.exp(curve)[:, None] * SPECTRUM) == "growing") == grown


@pytest.mark.parametrize(("noise", "grown"), [(0.8, True), (1.25, False)])
def test_growth_of_one_share_of_many_is_told_from_chance_at_one_in_a_thousand(noise, grown):
    curves = flat(32, [1.0, 0.8, 0.5, 1e-6])
    curves[:, 3] *= np.exp(wavering(noise, 0.001))
    assert (state(curves) == "growing") == grown


def wavering(noise, chance):
    """A line that rises by log 2 in half of the time, with noise of so many times what chance allows."""
    t = np.arange(16) - 7.5
    wave = np.where(np.arange(32) % 2, 1.0, -1.0)
    slope = np.log(2) / 15
    error = np.sqrt(16 / 14 / (t @ t))  # of a slope, for a wave of size 1
    return slope * np.arange(32) + noise * slope / stats.t.ppf(1 - chance, 14) / error * wave


# --- dimensions


@pytest.mark.parametrize(("rest", "carrying"), [(0.0099, 1), (0.0103, 2)])
def test_directions_carry_99_hundredths_of_the_variance(rest, carrying):
    assert judge_snapshot([1.0, rest, 0, 0]).evidence["directions"] == carrying


@pytest.mark.parametrize(("size", "empty"), [(0.9e-6, 1), (1.1e-6, 0)])
def test_a_direction_is_empty_below_a_millionth_of_the_largest(size, empty):
    assert judge_snapshot([1.0, 0.9, 0.8, size]).evidence["empty"] == empty


@pytest.mark.parametrize(("dim", "found"), [(20, "dimensional collapse"), (19, "full")])
def test_a_tenth_of_the_directions_are_few(dim, found):
    assert judge_snapshot([1.0, 1.0, *[1e-5] * (dim - 2)]).state == found


@pytest.mark.parametrize(("empty", "found"), [(5, "dimensional collapse"), (4, "full")])
def test_a_quarter_of_the_directions_are_many_to_be_empty(empty, found):
    assert judge_snapshot([*[1.0] * (20 - empty), *[1e-9] * empty]).state == found


@pytest.mark.parametrize(("left", "found"), [(0.24, "dimensional collapse"), (0.26, "saturated")])
def test_where_few_carry_the_variance_the_others_have_shrunk_to_a_quarter(left, found):
    curves = flat(39, [1.0, *[1e-4] * 19])
    curves[6:, 1:] *= left
    assert state(curves, cosine_concentration=np.full(39, 0.1)) == found


@pytest.mark.parametrize(("narrowed", "found"), [(0.49, "dimensional collapse"), (0.51, "saturated")])
def test_or_embeddings_have_drawn_together_by_half(narrowed, found):
    spread = np.r_[np.full(6, 0.9), np.full(33, 0.9 * narrowed)]
    curves = flat(39, [1.0, *[1e-4] * 19])
    assert state(curves, cosine_concentration=1 - spread**2) == found


@pytest.mark.slow
def test_or_nothing_has_grown_for_four_fifths_of_forty_measurements():
    still = flat(60, [1.0, *[1e-4] * 19])
    assert first("dimensional collapse", still, cosine_concentration=np.full(60, 0.1)) == 41
    for grew_until, found in ((0.15, "dimensional collapse"), (0.45, "saturated")):
        curves = still.copy()
        early = np.arange(60) < grew_until * 60
        curves[early] *= 0.01
        assert state(curves, cosine_concentration=np.full(60, 0.1)) == found


@pytest.mark.parametrize(("size", "found"), [(0.9e-12, "dimensional collapse"), (1.1e-12, "growing")])
def test_directions_are_missing_where_float32_has_rounding_alone(size, found):
    curves = flat(20, [1, 1, 1, size]) * 1.3 ** np.arange(20)[:, None]
    assert state(curves) == found


# --- complete collapse


def collapsing(end, records=30, at=10, high=0.8, back=None):
    """Spread of directions that falls to `end` of its peak, and may come back."""
    spread = np.full(records, high)
    spread[at:] = end * high
    if back is not None:
        spread[20:] = back * high
    eigenvalues = (spread / high)[:, None] ** 2 * [1.0, 0.8, 0.5, 0.3]
    return state(eigenvalues, cosine_concentration=1 - spread**2, mean_norm=np.full(records, 1.7))


def test_embeddings_have_become_one_at_an_eighth_of_the_spread_and_until_a_quarter():
    assert collapsing(0.12) == "complete collapse"
    assert collapsing(0.13) != "complete collapse"
    assert collapsing(0.12, back=0.24, records=60) == "complete collapse"
    assert collapsing(0.12, back=0.26, records=60) != "complete collapse"


@pytest.mark.parametrize(("growth", "found"), [(1.45, True), (1.55, False)])
def test_but_not_while_the_variance_across_their_direction_grows_by_half(growth, found):
    spread = np.r_[0.8, np.geomspace(0.8, 0.09, 19), np.full(20, 0.09)]
    across = np.linspace(1.0, growth, 40)
    across[20:] = growth
    size = across / spread**2
    curves = np.sqrt(size)
    eigenvalues = across[:, None] * [0.5, 0.3, 0.1, 0.1]
    verdict = state(eigenvalues, cosine_concentration=1 - spread**2, mean_norm=curves)
    assert (verdict == "complete collapse") == found


@pytest.mark.parametrize(("spread", "found"), [(0.049, True), (0.051, False)])
def test_directions_that_never_parted_are_one_below_a_twentieth(spread, found):
    eigenvalues = flat(40, [1.0, *[1e-3] * 7])
    verdict = state(eigenvalues, cosine_concentration=np.full(40, 1 - spread**2))
    assert (verdict == "complete collapse") == found


def test_after_twenty_measurements():
    cosine = np.full(40, 1 - 0.04**2)
    assert first("complete collapse", flat(40, [1.0, *[1e-3] * 7]), cosine_concentration=cosine) == 21
    assert first("complete collapse", np.zeros((40, 4))) == 21


@pytest.mark.parametrize(("carrying", "found"), [(5, "complete collapse"), (6, "saturated")])
def test_where_more_than_a_quarter_carry_the_variance_it_is_the_mean_that_was_off(carrying, found):
    spectrum = [*[1.0] * carrying, *[1e-4] * (20 - carrying)]
    assert state(flat(39, spectrum), cosine_concentration=np.full(39, 0.9999)) == found
    assert judge_snapshot(spectrum, cosine_concentration=0.9999).state == (
        "complete collapse" if carrying == 5 else "full"
    )


@pytest.mark.parametrize(
    ("curves", "least"),
    [
        ({"cosine_concentration": np.full(40, 0.1)}, 1e-4),
        ({}, 1e-3),
        ({"cosine_concentration": np.full(40, 0.1), "loss": None}, 1e-2),
    ],
)
def test_the_variance_has_fallen_to_this(curves, least):
    for factor, collapsed in ((0.9, True), (1.1, False)):
        size = np.r_[np.ones(10), np.full(30, factor * least)]
        given = curves | ({"loss": 3 * size} if "loss" in curves else {})
        assert (state(size[:, None] * SPECTRUM, **given) == "complete collapse") == collapsed


@pytest.mark.parametrize(("back", "found"), [(3.8e-3, True), (4.2e-3, False)])
def test_and_has_not_come_back_to_four_times_that(back, found):
    size = np.r_[np.ones(10), np.full(5, 0.9e-3), np.full(5, back), np.full(25, 0.95e-3)]
    size[20:] = back
    last = state(size[:, None] * SPECTRUM)
    assert last != "complete collapse"  # it is above the level now
    size[20:] = 0.99e-3
    assert state(size[:, None] * SPECTRUM) == "complete collapse"


@pytest.mark.parametrize(("fall", "found"), [(3.3, True), (3.0, False)])
def test_the_loss_falls_too_by_root_ten_in_the_variances_last_factor_of_ten(fall, found):
    size = np.r_[np.ones(10), np.full(10, 0.12), np.full(20, 0.9e-2)]
    loss = np.r_[np.full(20, 3.0), np.full(20, 3.0 / fall)]
    verdict = state(size[:, None] * SPECTRUM, cosine_concentration=np.full(40, 0.1), loss=loss)
    assert (verdict == "complete collapse") == found


# --- explosion


@pytest.mark.parametrize(("size", "found"), [(0.95, False), (1.2, True)])
def test_embeddings_explode_at_a_thousand_times_their_size_or_1_a_direction(size, found):
    for start in (1.0, 1e-3):  # a spectrum whose sum is 4 times that
        curves = flat(40, np.full(4, start))
        bound = 1e3 * max(4 * start, 4) / 4
        curves[-8:] = size * bound * np.geomspace(0.9, 1, 8)[:, None]
        assert (state(curves) == "exploding") == found


@pytest.mark.parametrize(("growth", "found"), [(1.03, False), (1.07, True)])
def test_while_they_go_on_growing(growth, found):
    curves = flat(60, np.ones(4))
    curves[10:] = 5e3
    curves[58:] = 5e3 * growth
    assert (state(curves) == "exploding") == found


@pytest.mark.parametrize(("rise", "found"), [(9.5, False), (10.5, True)])
def test_the_loss_explodes_ten_times_as_far_up_as_it_had_come_down(rise, found):
    loss = np.r_[np.linspace(10, 8, 30), np.full(4, 8 + rise * (2 + 1))]
    curves = flat(34)
    curves[30:] *= 4
    assert (state(curves, loss=loss) == "exploding") == found


@pytest.mark.parametrize(("growth", "found"), [(2.9, False), (3.1, True)])
def test_and_the_embeddings_with_it_by_three(growth, found):
    loss = np.r_[np.linspace(10, 8, 30), np.full(4, 100.0)]
    curves = flat(34)
    curves[30:] *= growth
    assert (state(curves, loss=loss) == "exploding") == found


@pytest.mark.parametrize(("finite", "found"), [(4, False), (5, True)])
def test_a_loss_that_is_missing_means_something_after_five_that_were_not(finite, found):
    loss = np.r_[np.ones(finite), np.full(3, np.nan)]
    assert (state(flat(finite + 3), loss=loss) == "exploding") == found


# --- words


@pytest.mark.parametrize(("left", "warned"), [(0.09, True), (0.11, False)])
def test_a_tenth_of_the_largest_variance_is_worth_a_word(left, warned):
    size = np.r_[np.ones(10), np.full(30, left)]
    cosine = np.full(40, 0.1)
    sentence = judge_spectra(np.arange(40.0), size[:, None] * SPECTRUM, cosine_concentration=cosine).sentence
    assert ("variance has fallen" in sentence) == warned
