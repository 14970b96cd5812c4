import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenstep.analysis.verdicts import ALARMS, STATES, judge_spectra
from eigenstep.theory import mode_eigenvalues

GAMMA = np.array([1.0, 0.6, 0.3, 0.12])


def rising(times, scale, gamma=GAMMA):
    """Eigenvalues of the linear model from a start at `scale`, by the closed form, descending."""
    return -np.sort(-mode_eigenvalues(gamma, np.full(len(gamma), scale), times), axis=1)


def end_of_rises(scale):
    return 1.2 * -np.log(scale**2) / (8 * GAMMA[-1])


def noisy(curves, size, seed=0):
    return curves * np.exp(size * np.random.default_rng(seed).normal(size=curves.shape))


def states(times, eigenvalues, **curves):
    """The verdict after each measurement."""
    return [
        judge_spectra(
            times[:end], eigenvalues[:end], **{name: curve[:end] for name, curve in curves.items()}
        ).state
        for end in range(1, len(times) + 1)
    ]


def settled(records, spectrum, seed=0):
    return noisy(np.ones((records, 1)) * np.asarray(spectrum, float), 0.05, seed)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-1, 1e-3, 1e-7])
@pytest.mark.parametrize("spacing", [np.linspace, np.geomspace])
@pytest.mark.parametrize("records", [30, 80])
def test_a_small_start_is_no_collapse_at_any_moment(scale, spacing, records):
    times = spacing(0.01, end_of_rises(scale), records)
    found = states(times, noisy(rising(times, scale), 0.05))
    assert not {*found} & {*ALARMS}
    assert "growing" in found


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    scale=st.floats(1e-7, 1e-2),
    last=st.floats(0.03, 0.9),
    noise=st.floats(0, 0.1),
    seed=st.integers(0, 99),
)
def test_waiting_for_a_slow_mode_is_no_collapse(scale, last, noise, seed):
    gamma = np.array([1.0, last, *np.full(14, last / 10)])
    times = np.linspace(0.01, -np.log(scale**2) / (8 * last), 60)
    found = states(times, noisy(rising(times, scale, gamma), noise, seed))
    assert not {*found} & {*ALARMS}


@pytest.mark.slow
def test_modes_that_have_all_risen_are_saturated_and_not_before():
    times = np.linspace(0.01, 6 * end_of_rises(1e-3), 120)
    found = states(times, noisy(rising(times, 1e-3), 0.03))
    assert found[-1] == "saturated"
    assert times[found.index("saturated")] > end_of_rises(1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("records", [8, 15, 30, 120])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_while_an_embedding_that_is_not_centred_learns_its_first_mode_it_has_not_collapsed(records, rate):
    times = np.linspace(0, 30, records)
    first = 1e-8 / (1e-8 + np.exp(-2 * times))
    across = 1e-8 * np.exp(rate * times)
    eigenvalues = noisy(np.column_stack([0.1 * first + across, across, across / 3]), 0.05)
    found = states(
        times,
        eigenvalues,
        cosine_concentration=first / (first + 3 * across),
        mean_norm=np.sqrt(first + 3 * across),
    )
    assert {*found} <= {"too early", "growing", "saturated"}


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 5])
def test_directions_that_become_one_are_a_complete_collapse_two_measurements_later(every):
    steps = np.arange(0, 200, every)
    spread = 0.02 + 0.8 / (1 + (steps / 30) ** 4)
    eigenvalues = noisy(5 * (spread / spread[0])[:, None] ** 2 * [1, 0.1, 0.01, 1e-3, 1e-4], 0.05)
    found = states(steps, eigenvalues, cosine_concentration=1 - spread**2, mean_norm=np.full(len(steps), 3.0))
    onset = int(np.argmax(spread < spread[0] / 8))
    assert "complete collapse" not in found[:onset]
    assert {*found[onset + 1 :]} == {"complete collapse"}


@pytest.mark.slow
def test_variance_that_vanishes_is_a_complete_collapse_without_any_measure():
    times = np.arange(60.0)
    found = states(times, noisy(np.exp(-0.3 * times)[:, None] * [1.0, 0.8, 0.5, 0.3], 0.05))
    assert times[found.index("complete collapse")] <= -np.log(1e-3) / 0.3 + 3
    assert found[-1] == "complete collapse"


@pytest.mark.slow
def test_embeddings_that_shrink_while_their_directions_stay_apart_have_not_collapsed():
    times = np.arange(100.0)
    eigenvalues = noisy(np.exp(-0.05 * times)[:, None] * [1.0, 0.8, 0.5, 0.3], 0.05)
    loss = 3 + np.exp(-0.05 * times)
    found = states(times, eigenvalues, cosine_concentration=np.full(100, 0.1), loss=loss)
    assert not {*found} & {*ALARMS}


@pytest.mark.slow
def test_a_loss_that_goes_to_zero_with_the_variance_is_a_complete_collapse():
    times = np.arange(100.0)
    variance = np.exp(-0.06 * times)
    found = states(
        times,
        noisy(variance[:, None] * [1.0, 0.8, 0.5, 0.3], 0.05),
        cosine_concentration=np.full(100, 0.1),
        loss=2 * variance,
    )
    assert times[found.index("complete collapse")] == pytest.approx(-np.log(1e-2) / 0.06, abs=5)


@pytest.mark.slow
def test_a_mean_that_was_far_from_zero_all_the_time_is_no_collapse_of_what_varies():
    cosine = np.full(60, 0.9999)
    found = states(np.arange(60.0), settled(60, np.ones(8)), cosine_concentration=cosine)
    assert not {*found} & {*ALARMS}


@pytest.mark.slow
def test_directions_that_shrink_while_few_carry_the_variance_are_a_dimensional_collapse():
    times = np.arange(100.0)
    shrinking = 0.002 + np.exp(-0.3 * times)
    eigenvalues = noisy(
        np.column_stack([np.full(100, 4.0), *[0.3 * shrinking / rank for rank in range(1, 20)]]), 0.05
    )
    found = states(times, eigenvalues, cosine_concentration=np.full(100, 0.1))
    verdict = judge_spectra(times, eigenvalues)
    assert 8 <= found.index("dimensional collapse") < 40
    assert found[-1] == "dimensional collapse"
    assert verdict.evidence["directions"] == 1
    assert "1 of 20 directions" in verdict.sentence


def test_directions_that_never_were_there_are_missed_after_a_few_measurements():
    eigenvalues = settled(20, [*np.ones(4), *np.full(12, 1e-15)]) * np.exp(0.3 * np.arange(20.0))[:, None]
    found = states(np.arange(20.0), eigenvalues)
    assert found[5:] == ["dimensional collapse"] * 15


def test_directions_that_a_measurement_has_no_rows_for_are_not_missed():
    spectrum = [*np.linspace(2, 1, 15), *np.zeros(49)]
    assert judge_spectra(np.arange(60), settled(60, spectrum), rows=16).state == "saturated"
    assert judge_spectra(np.arange(60), settled(60, spectrum), rows=640).state == "dimensional collapse"


def test_leading_eigenvalues_alone_do_not_tell_of_a_collapse_of_the_others():
    leading = settled(60, np.linspace(1, 0.5, 8))
    assert judge_spectra(np.arange(60), leading, dim=512).state == "saturated"
    steep = settled(60, 10.0 ** -np.arange(0, 16, 2))
    assert judge_spectra(np.arange(60), steep, dim=512).state == "dimensional collapse"


def test_an_explosion_is_called_by_its_second_measurement_while_it_is_finite():
    times = np.arange(20.0)
    eigenvalues = np.exp(np.where(times < 10, 0, 8 * (times - 9)))[:, None] * [1.0, 0.5]
    loss = np.where(times < 10, 16 - times / 10, eigenvalues[:, 0] ** 2)
    assert states(times, eigenvalues, loss=loss).index("exploding") == 11
    assert states(times, eigenvalues).index("exploding") <= 12


@pytest.mark.slow
def test_embeddings_that_grow_from_nothing_to_their_plateau_have_not_exploded():
    times = np.linspace(0.01, 5, 100)
    assert "exploding" not in states(times, rising(times, 1e-7), loss=16 - 2 * times)


def test_infinite_embeddings_or_losses_are_an_explosion():
    curves = settled(30, [1.0, 0.5])
    curves[28:] = np.nan
    assert judge_spectra(np.arange(30), curves).state == "exploding"
    loss = np.where(np.arange(30) < 28, 1.0, np.inf)
    assert judge_spectra(np.arange(30), settled(30, [1.0, 0.5]), loss=loss).state == "exploding"


def test_a_loss_that_is_told_only_now_and_then_proves_nothing():
    loss = np.where(np.arange(30) % 5, np.nan, 1.0)
    found = states(np.arange(30), settled(30, [1.0, 0.5]), loss=loss)
    assert "exploding" not in found
    assert found[-1] == "saturated"


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1e-6, 1e6, np.nan])
@pytest.mark.parametrize("place", [10, 25, 58, 59])
def test_one_odd_measurement_does_not_flip_the_verdict(factor, place):
    curves, cosine = settled(60, [1.0, 0.8, 0.5, 0.3]), np.full(60, 0.1)
    expected = states(np.arange(60), curves, cosine_concentration=cosine)
    curves[place] *= factor
    cosine[place] = 0.9999
    found = states(np.arange(60), curves, cosine_concentration=cosine)
    assert not {*found} & {*ALARMS}
    assert found[-1] == expected[-1]


@pytest.mark.slow
def test_the_unit_of_time_does_not_matter():
    times = np.linspace(0.01, end_of_rises(1e-3), 60)
    curves = noisy(rising(times, 1e-3), 0.05)
    assert states(times, curves) == states(1e4 * times, curves)


def test_every_verdict_has_a_state_a_sentence_and_finite_evidence():
    times = np.linspace(0.01, end_of_rises(1e-3), 40)
    for end in (0, 1, 5, 40):
        verdict = judge_spectra(times[:end], rising(times, 1e-3)[:end], dim=16)
        assert verdict.state in STATES
        assert verdict.sentence.endswith(".")
        assert np.isfinite(list(verdict.evidence.values())).all()
        assert verdict.evidence["records"] <= end
        assert verdict.alarm == (verdict.state in ALARMS)


def test_embeddings_of_zeros_are_too_early_at_first_and_equal_in_the_end():
    zeros = np.zeros((30, 4))
    assert judge_spectra(np.arange(3), zeros[:3]).state == "too early"
    assert judge_spectra(np.arange(30), zeros).state == "complete collapse"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 1.0], [[1.0]]), r"times \(T,\) and eigenvalues \(T, k\), got \(2,\) and \(1, 1\)"),
        (([0.0], [[1.0, 2.0]], 1), "at most dim = 1 eigenvalues, got 2"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments, message):
    times, eigenvalues, *dim = arguments
    with pytest.raises(ValueError, match=message):
        judge_spectra(times, eigenvalues, dim=dim[0] if dim else None)
    with pytest.raises(ValueError, match=r"expected loss of shape \(2,\), as times, got \(3,\)"):
        judge_spectra([0.0, 1.0], [[1.0], [1.0]], loss=[1.0, 2.0, 3.0])


@pytest.mark.slow
def test_losses_told_now_and_then_tell_as_much_as_all_of_them():
    times = np.linspace(0, 10, 100)
    eigenvalues, loss = settled(100, [1.0, 0.8, 0.5, 0.3]), 5 - 0.3 * times
    sparse = np.where(np.arange(100) % 3, np.nan, loss)
    assert states(times, eigenvalues, loss=sparse)[20:] == states(times, eigenvalues, loss=loss)[20:]
    assert judge_spectra(times, eigenvalues, loss=sparse).state == "growing"
