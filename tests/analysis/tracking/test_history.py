import dataclasses

import numpy as np
import pytest

from eigenstep.analysis import find_rises, follow_modes
from eigenstep.record import RecordWriter, read_record
from eigenstep.reproduce import LinearModelExperiment
from eigenstep.training import photo_patches


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    experiment = LinearModelExperiment(dim=4, crop=8, records=200, probe=32, subtract_crop_mean=True)
    return experiment.run(photo_patches(100, 12), tmp_path_factory.mktemp("linear"))


def write(path, times, eigenvalues, points=None, config=None):
    """A record as a run leaves it."""
    count = 0 if points is None else points.shape[2]
    writer = RecordWriter(
        path, eigenvalues.shape[1], probe=0 if points is None else points.shape[1], directions=count
    )
    for index, (time, values) in enumerate(zip(times, eigenvalues, strict=True)):
        both = {"cross_correlation": values, "covariance": values}
        writer.append(index, time, both, None if points is None else points[index], loss=0.0)
    return dataclasses.replace(read_record(path), config=config or {})


def until(record, count):
    cut = {name: getattr(record, name)[:count] for name in ("eigenvalues", "projections")}
    return dataclasses.replace(record, summary=None, **cut)


@pytest.mark.slow
def test_forecasts_on_the_linear_model_fall_within_a_twentieth_of_what_came(linear):
    """Made when a mode is at 1 % of its plateau, from the record up to then."""
    full = follow_modes(linear)
    assert len(full.fits) == 4
    for fit in full.fits:
        track = full.tracks[fit.mode]
        count = int((track.eigenvalues < 0.01).sum()) + 1
        then = follow_modes(until(linear, count))
        assert then.forecast.state == "expected"
        assert then.forecast.half_time.value == pytest.approx(fit.half_time.value, rel=0.05)
        assert then.forecast.step.value == pytest.approx(
            np.interp(fit.half_time.value, full.times, full.steps), rel=0.05
        )
        assert len(then.fits) == fit.mode


@pytest.mark.slow
def test_fits_on_the_linear_model_are_the_closed_form(linear):
    for fit, gamma, half_time in zip(
        follow_modes(linear).fits, linear.prediction["gamma"], linear.prediction["half_times"], strict=True
    ):
        assert fit.half_time.value == pytest.approx(half_time, rel=0.02)
        # A finite learning rate makes the first mode's growth slower than gamma and its rise sharper.
        assert fit.gamma.value == pytest.approx(gamma, rel=0.1 if fit.mode == 0 else 0.02)


def test_a_run_that_is_over_expects_no_further_mode(linear):
    history = follow_modes(linear)
    assert history.identified_by == "overlap"
    assert history.forecast.state == "none within the planned run"


@pytest.mark.slow
def test_as_many_modes_are_learned_as_find_rises_counts(tmp_path, logistic, probe_points):
    times = np.linspace(0, 20, 150)
    modes = logistic(times, [3.0, 9.0, 14.0, 30.0], [3.0, 2.0, 1.5, 1.0], [0.5, 1.2, 0.8, 1.0])
    generator = np.random.default_rng(0)
    batch = -np.sort(-modes * np.exp(0.1 * generator.normal(size=modes.shape)), axis=1)
    points = probe_points(modes, 4, generator, noise=1e-5)
    for count in (20, 60, 100, 150):
        history = follow_modes(write(tmp_path / str(count), times[:count], batch[:count], points[:count]))
        learned = [fit for fit in history.fits if fit.learned]
        assert len(learned) == len(find_rises(times[:count], batch[:count]))


def test_modes_that_cross_are_numbered_and_fitted_in_the_order_of_their_rises(
    tmp_path, logistic, probe_points
):
    times = np.linspace(0, 20, 150)
    modes = logistic(times, [3.0, 9.0, 14.0], [3.0, 2.0, 1.5], [0.5, 1.2, 0.8])
    generator = np.random.default_rng(0)
    batch = -np.sort(-modes * np.exp(0.05 * generator.normal(size=modes.shape)), axis=1)
    history = follow_modes(write(tmp_path, times, batch, probe_points(modes, 3, generator, noise=1e-5)))
    assert [fit.mode for fit in history.fits] == [0, 1, 2] == [track.mode for track in history.tracks]
    np.testing.assert_allclose([fit.half_time.value for fit in history.fits], [3.0, 9.0, 14.0], atol=0.15)
    np.testing.assert_allclose([fit.plateau.value for fit in history.fits], [0.5, 1.2, 0.8], rtol=0.1)
    np.testing.assert_allclose([fit.gamma.value for fit in history.fits], [3 / 8, 2 / 8, 1.5 / 8], rtol=0.2)


def test_of_a_mode_that_rises_past_one_that_was_there_the_first_is_learned(tmp_path, logistic, probe_points):
    times = np.linspace(0, 20, 150)
    modes = np.hstack([np.full((150, 1), 0.3), logistic(times, [9.0], [2.0])])
    generator = np.random.default_rng(0)
    points = probe_points(modes, 2, generator, noise=1e-5)
    history = follow_modes(write(tmp_path, times, -np.sort(-modes, axis=1), points))
    (fit,) = history.fits
    assert fit.half_time.value == pytest.approx(9.0, abs=0.1)
    assert fit.plateau.value == pytest.approx(1.0, rel=0.05)


def test_without_a_probe_batch_modes_are_told_by_rank_and_that_is_said(tmp_path, logistic):
    times = np.linspace(0, 12, 120)
    history = follow_modes(write(tmp_path, times, logistic(times, [3.0, 6.0, 17.0], [2.0, 1.5, 1.0])))
    assert history.identified_by == "rank"
    np.testing.assert_allclose([fit.half_time.value for fit in history.fits], [3.0, 6.0], rtol=1e-3)
    assert history.upcoming[0].mode == 2
    np.testing.assert_allclose(history.upcoming[0].half_time.value, 17.0, rtol=1e-2)


def test_a_mode_in_the_middle_of_its_rise_is_fitted_but_not_learned(tmp_path, logistic):
    times = np.linspace(0, 8.1, 120)
    history = follow_modes(write(tmp_path, times, logistic(times, [3.0, 8.0], [3.0, 2.0])))
    assert [fit.learned for fit in history.fits] == [True, False]
    assert history.fits[1].half_time.value == pytest.approx(8.0, abs=0.1)
    assert history.forecast.sentence.startswith("Mode 2 is rising")


def test_the_planned_end_comes_from_the_configuration_or_is_given(tmp_path, logistic):
    times = np.linspace(0, 12, 120)
    record = write(tmp_path, times, logistic(times, [3.0, 6.0, 40.0], [2.0, 2.0, 0.5]), config={"steps": 150})
    assert follow_modes(record).forecast.state == "none within the planned run"
    assert follow_modes(record, planned_time=100.0).forecast.state != "none within the planned run"


@pytest.mark.parametrize("late", [0, 1])
def test_a_probe_table_that_lags_or_leads_by_a_row_is_used(tmp_path, late, logistic, probe_points):
    times = np.linspace(0, 12, 60)
    modes = logistic(times, [3.0, 6.0], [2.0, 2.0])
    record = write(tmp_path, times, modes, probe_points(modes, 2, np.random.default_rng(0)))
    table = "projections" if late else "eigenvalues"
    history = follow_modes(dataclasses.replace(record, **{table: getattr(record, table)[:-1]}))
    assert history.identified_by == "overlap"
    assert len(history.times) == 59


def test_a_probe_table_of_other_records_is_not_used(tmp_path, logistic, probe_points):
    times = np.linspace(0, 12, 60)
    modes = logistic(times, [3.0, 6.0], [2.0, 2.0])
    record = write(tmp_path, times, modes, probe_points(modes, 2, np.random.default_rng(0)))
    history = follow_modes(dataclasses.replace(record, projections=record.projections[30:]))
    assert history.identified_by == "rank"
    assert len(history.times) == 60


@pytest.mark.parametrize("records", [0, 1, 2, 3])
def test_a_record_that_has_hardly_begun_is_not_yet_to_be_told(tmp_path, records, probe_points):
    values = np.tile([1e-6, 1e-7], (records, 1))
    points = probe_points(values, 2, np.random.default_rng(0)) if records else None
    history = follow_modes(write(tmp_path, np.arange(records) / 10, values, points))
    assert history.forecast.state == "not yet to be told"
    assert history.fits == []


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
def test_records_that_are_no_eigenvalues_do_no_harm(tmp_path, bad, logistic, probe_points):
    times = np.linspace(0, 12, 100)
    modes = logistic(times, [3.0, 6.0], [2.0, 2.0])
    points = probe_points(modes, 2, np.random.default_rng(0))
    modes[[40, 98, 99]] = bad
    points[[40, 98, 99]] = bad
    history = follow_modes(write(tmp_path, times, modes, points))
    assert len(history.tracks) == 2
    assert abs(history.fits[0].half_time.value - 3.0) < 0.2


def test_times_that_stand_still_do_no_harm(tmp_path, logistic):
    curves = logistic(np.linspace(0, 12, 50), [3.0, 6.0, 14.0], [2.0, 2.0, 2.0])
    history = follow_modes(write(tmp_path, np.zeros(50), curves))  # a learning rate of 0
    assert history.forecast.state == "not yet to be told"
