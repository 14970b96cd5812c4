import numpy as np
import pytest

from eigenstep.prediction import measured_times
from eigenstep.record import RecordWriter, read_record


def logistic(times, half_time, rate=8.0):
    return 1 / (1 + np.exp(-rate * (times - half_time)))


@pytest.fixture
def record(tmp_path):
    """Two eigenvalues that end at 4 and 1, half of which they reach at 1 and 3; a third that never rises."""
    writer = RecordWriter(tmp_path, 3)
    for step, time in enumerate(np.linspace(0, 6, 301)):
        values = np.array([4 * logistic(time, 1.0), logistic(time, 3.0), 1e-9])
        writer.append(step, time, {"cross_correlation": values, "covariance": values}, loss=0.0)
    return read_record(tmp_path)


def test_times_are_those_of_half_the_predicted_plateau(record):
    times = measured_times(record, np.array([1.0, 1.0, 1.0]))
    np.testing.assert_allclose(times[:2], [1 - np.log(7) / 8, 3.0], atol=0.01)
    assert np.isnan(times[2])


def test_where_no_plateau_is_known_they_are_of_the_runs_own(record):
    times = measured_times(record, np.array([np.nan, np.nan]))
    np.testing.assert_allclose(times, [1.0, 3.0], atol=0.02)


def test_more_modes_than_the_run_has_dimensions_have_no_time(record):
    assert np.isnan(measured_times(record, np.ones(5))[3:]).all()
