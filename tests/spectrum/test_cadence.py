import numpy as np
import pytest

from eigenstep.spectrum import LogSpaced, SpectrumMonitor


def test_log_spaced_measurements_are_evenly_spaced_in_the_logarithm_of_the_step():
    due = [step for step in range(1, 10001) if LogSpaced(10).is_due(step)]
    late = np.array([step for step in due if step >= 100])
    np.testing.assert_allclose(np.diff(np.log10(late)), 0.1, atol=0.005)
    assert {1, 10, 100, 1000, 10000} <= set(due)


@pytest.mark.parametrize("per_decade", [1, 7, 200])
def test_a_measurement_is_due_where_the_exact_points_say(per_decade):
    points = {-(-(10**index) // 10**index) for index in range(1)}
    for index in range(3 * per_decade + 1):
        low = int(10 ** (index / per_decade)) - 1
        points.add(next(step for step in range(max(low, 1), low + 4) if step**per_decade >= 10**index))
    assert {step for step in range(1, 1001) if LogSpaced(per_decade).is_due(step)} == points


@pytest.mark.parametrize("per_decade", [0, 201])
def test_impossible_cadences_are_refused(per_decade):
    with pytest.raises(ValueError, match="1 to 200"):
        LogSpaced(per_decade)


def test_an_unknown_form_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"one of window, sliding, exponential, all, got 'epoch'"):
        SpectrumMonitor(tmp_path, form="epoch")


@pytest.mark.parametrize(
    ("dim", "options", "every", "stride"),
    [
        (256, {}, 10, 1),
        (300, {}, 40, 4),
        (513, {}, 200, 10),
        (8192, {}, 200, 10),
        (8192, {"half_life": 3.0}, 200, 3),
        (8192, {"half_life": 0.5}, 200, 1),
        (8192, {"every": 20, "stride": 2}, 20, 2),
        (8192, {"form": "all"}, 20, 1),
        ((300, 300), {}, 200, 10),
    ],
)
def test_sums_of_large_matrices_are_taken_and_measured_less_often(tmp_path, dim, options, every, stride):
    settings = SpectrumMonitor(tmp_path, **{"form": "exponential"} | options).settings
    config = settings.as_config(dim)
    assert (config["every"], config["stride"]) == (every, stride)
    due = [step for step in range(1, 401) if settings.is_due(step, dim)]
    taken = [step for step in range(1, 401) if settings.is_taken(step, dim)]
    assert due == list(range(every, 401, every))
    assert taken == sorted({*range(1, 401, stride), *due})
