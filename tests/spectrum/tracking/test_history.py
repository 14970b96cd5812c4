import numpy as np

from eigenstep.spectrum import RecordWriter, read_record
from eigenstep.spectrum.tracking import follow_modes


def test_a_run_of_logistic_modes_is_fitted_and_the_next_mode_is_forecast(tmp_path):
    writer = RecordWriter(tmp_path, 3)
    for step in range(120):
        curve = 1 / (1 + np.exp(-np.array([2.0, 1.5, 1.0]) * (0.1 * step - np.array([3.0, 6.0, 17.0]))))
        writer.append(step, 0.1 * step, {"cross_correlation": curve, "covariance": curve}, loss=0.0)
    history = follow_modes(read_record(tmp_path))
    np.testing.assert_allclose([fit.half_time.value for fit in history.fits], [3.0, 6.0], rtol=1e-3)
    assert history.forecast.mode == 2
    np.testing.assert_allclose(history.forecast.half_time.value, 17.0, rtol=1e-2)
