"""One meaning of "learned" for everything that speaks of a run."""

import dataclasses
import json

import numpy as np
import pytest

from eigenstep.analysis import LearnedCount, analyse, find_rises, follow_modes, learned_rises, summarise
from eigenstep.record import RecordWriter, read_record


def rising(times, half_times, plateau=1.0):
    return plateau / (1 + np.exp(-8 * (times[:, None] - np.asarray(half_times))))


def write(path, times, curves, prediction=None, config=None):
    writer = RecordWriter(path, curves.shape[1])
    for step, (time, curve) in enumerate(zip(times, curves, strict=True)):
        both = {"cross_correlation": curve, "covariance": curve}
        writer.append(step, time, both, loss=float(((1 - curve) ** 2).sum()))
    if prediction:
        (path / "prediction.json").write_text(json.dumps(prediction))
    return dataclasses.replace(read_record(path), config=config or {})


def noisy(records=400, dim=6):
    rng, times = np.random.default_rng(0), np.linspace(0, 20, records)
    curves = rising(times, np.arange(1, dim + 1) * 3.0)
    return times, -np.sort(-curves * np.exp(0.2 * rng.normal(size=curves.shape)), axis=1)


@pytest.mark.slow
def test_the_count_is_that_of_the_record_so_far_whenever_it_is_judged():
    times, curves = noisy()
    count = LearnedCount()
    judged = 0
    for end, (time, row) in enumerate(zip(times, curves, strict=True), start=1):
        found = count.add(time, row)
        if end <= 100 or end >= 1.01 * judged:
            judged = end
            assert found == len(find_rises(times[:end], curves[:end]))
        assert found == count.count
    assert count.latest() == len(find_rises(times, curves)) > 3


def test_a_long_record_is_judged_whenever_it_is_longer_by_a_hundredth(monkeypatch):
    judged = []
    monkeypatch.setattr(
        "eigenstep.analysis._learned.find_rises", lambda times, curves: judged.append(len(times)) or []
    )
    count = LearnedCount()
    for record in range(1000):
        count.add(float(record), np.ones(3))
    assert judged[:103] == [*range(1, 101), 101, 103, 105]
    assert judged[-1] == 996
    count.latest()
    count.latest()
    assert judged[-2:] == [996, 1000]


@pytest.mark.slow
def test_a_run_that_goes_on_is_counted_with_what_it_had():
    times, curves = noisy()
    whole, resumed = LearnedCount(), LearnedCount(times[:150], curves[:150])
    assert resumed.count == len(find_rises(times[:150], curves[:150]))
    for time, row in zip(times, curves, strict=True):
        whole.add(time, row)
    for time, row in zip(times[150:], curves[150:], strict=True):
        resumed.add(time, row)
    assert whole.latest() == resumed.latest()


def test_embeddings_that_are_all_zero_have_learned_nothing():
    count = LearnedCount()
    assert [count.add(float(step), np.zeros(16)) for step in range(20)] == [0] * 20


@pytest.mark.slow
def test_all_who_speak_of_a_record_say_the_same_number(tmp_path):
    times, curves = noisy()
    for end in (40, 120, 300, 400):
        record = write(tmp_path / str(end), times[:end], curves[:end])
        number = len(find_rises(times[:end], curves[:end]))
        assert len(learned_rises(record)) == summarise(record)["learned_modes"] == number
        found = analyse(record)
        assert found.learned == sum(fit.learned for fit in found.history.fits) == number


@pytest.mark.slow
def test_more_modes_than_are_followed_otherwise_are_all_counted(tmp_path):
    times = np.linspace(0, 20, 120)
    curves = -np.sort(-rising(times, np.linspace(1, 18, 70)), axis=1)
    record = write(tmp_path, times, curves)
    assert sum(fit.learned for fit in follow_modes(record).fits) == len(learned_rises(record)) > 64


def test_beside_a_closed_form_modes_settle_at_1(tmp_path):
    times = np.linspace(0, 5.1, 100)
    prediction = {"gamma": [1.0, 1.0], "start_scales": [0.1, 0.1], "half_times": [2.0, 5.0]}
    curves = rising(times, [2.0, 5.0])
    assert len(learned_rises(write(tmp_path / "alone", times, curves))) == 1
    assert len(learned_rises(write(tmp_path / "beside", times, curves, prediction))) == 2


CLOSED = {
    "course": "closed",
    "gamma": [2.0, 1.0, 0.5],
    "start_scales": [0.1, 0.1, 0.1],
    "growth_rates": [4.0, 2.0, 1.0],
    "half_times": [5.0, 2.0, None],
    "mode_half_times": [5.0, 2.0, None],
    "plateaus": [3.0, 4.0, 1.0],
}


def test_a_prediction_says_itself_which_modes_are_learned_and_when(tmp_path):
    times = np.linspace(0, 3, 50)  # the course ends before the second half-time
    record = write(tmp_path, times, rising(times, [2.0, 5.0, 9.0]), CLOSED, {"kind": "prediction"})
    found = analyse(record)
    assert [(rise.mode, rise.half_time, rise.plateau) for rise in found.rises] == [
        (0, 2.0, 4.0),
        (1, 5.0, 3.0),
    ]
    assert [rise.width for rise in found.rises] == pytest.approx([np.log(81) / 4, np.log(81) / 8])
    assert [row.gamma for row in found.half_times] == [1.0, 2.0]
    assert {row.measured for row in found.half_times} == {None}
    assert [fit.half_time for fit in found.history.fits] == [(2.0, 2.0, 2.0), (5.0, 5.0, 5.0)]
    assert all(fit.learned for fit in found.history.fits)
    assert found.forecast.sentence.startswith(
        "2 of 3 dimensions are predicted to be learned, the last at step"
    )


def test_of_a_course_in_steps_half_times_are_by_rank_and_gamma_by_mode(tmp_path):
    times = np.linspace(0, 9, 200)
    prediction = CLOSED | {
        "course": "steps",
        "half_times": [2.0, None, 5.0],
        "mode_half_times": [5.1, None, 2.1],
        "plateaus": [1.0, None, 1.0],
    }
    record = write(tmp_path, times, rising(times, [2.0, 20.0, 5.0]), prediction, {"kind": "prediction"})
    found = analyse(record)
    assert [(rise.mode, rise.half_time) for rise in found.rises] == [(0, 2.0), (2, 5.0)]
    assert [rise.width for rise in found.rises] == pytest.approx([np.log(81) / 8] * 2, rel=0.05)
    assert [(row.gamma, row.predicted) for row in found.half_times] == [(0.5, 2.1), (2.0, 5.1)]
    assert found.learned == sum(fit.learned for fit in found.history.fits) == 2
