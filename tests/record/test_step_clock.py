import numpy as np
import pytest

from eigenstep.record import RecordWriter, StepClock, read_record


def test_steps_between_those_recorded_are_in_proportion_and_beyond_go_on_as_the_last_did(tmp_path):
    writer = RecordWriter(tmp_path, 1)
    for step, time in [(0, 0.0), (10, 2.0), (30, 3.0)]:
        writer.append(step, time, {"cross_correlation": np.ones(1), "covariance": np.ones(1)}, loss=1.0)
    clock = StepClock.of(read_record(tmp_path))
    assert [clock(time) for time in (0.0, 1.0, 2.5, 4.0)] == pytest.approx([0, 5, 20, 50])


def test_times_that_are_not_known_are_passed_over():
    clock = StepClock([0, 5, 10, 15], [0.0, np.nan, 1.0, np.inf])
    assert clock(0.5) == pytest.approx(5)
    assert clock(2.0) == pytest.approx(20)


def test_one_point_has_no_rate_unless_it_is_given():
    assert StepClock([7], [2.0])(5.0) == 7
    assert StepClock([7], [2.0], rate=0.5)(5.0) == pytest.approx(13)


@pytest.mark.parametrize("time", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_none_has_no_step(time):
    assert np.isnan(StepClock([0, 1], [0.0, 1.0])(time))
    assert np.isnan(StepClock([], [])(1.0))
