import numpy as np
import pytest

from eigenstep.analysis import RunClock
from eigenstep.record import RecordWriter, RunRecord, read_record
from eigenstep.training._optimizer import learning_rates
from eigenstep.training.config import OptimizerConfig


def record(path, config, rates, summary=None) -> RunRecord:
    """A record of the first 40 of the steps that these learning rates are planned for."""
    writer = RecordWriter(path, 1)
    times = np.concatenate([[0.0], np.cumsum(rates)])
    for step in range(0, 41, 5):
        values = {"cross_correlation": np.ones(1), "covariance": np.ones(1)}
        writer.append(step, times[step], values, loss=0.0, learning_rate=rates[step])
    read = read_record(path)
    return RunRecord(**{**vars(read), "config": config, "summary": summary})


def test_the_end_of_a_run_of_constant_rate_is_its_steps(tmp_path):
    config = {"steps": 100, "optimizer": {"lr": 0.02, "schedule": "constant"}}
    clock = RunClock(record(tmp_path, config, np.full(100, 0.02)))
    assert clock.planned_time == pytest.approx(2.0)
    assert clock.step_at(1.0) == pytest.approx(50)
    assert clock.step_at(4.0) == pytest.approx(200)


def test_the_end_of_a_cosine_schedule_is_the_sum_of_its_rates(tmp_path):
    options = OptimizerConfig(lr=0.02, schedule="cosine", warmup_steps=20)
    rates = learning_rates(options, 400)
    clock = RunClock(record(tmp_path, {"steps": 400, "optimizer": vars(options)}, rates))
    assert clock.planned_time == pytest.approx(rates.sum(), rel=0.01)
    for step in (10, 40, 150, 300):
        assert clock.step_at(rates[:step].sum()) == pytest.approx(step, abs=2)


def test_a_monitor_says_itself_how_many_steps_are_planned(tmp_path):
    planned = {"steps": 7, "monitor": {"planned_steps": 80}}
    assert RunClock(record(tmp_path / "a", planned, np.ones(100))).planned_time == pytest.approx(80.0)
    silent = {"monitor": {"planned_steps": None}}
    assert RunClock(record(tmp_path / "b", silent, np.ones(100))).planned_time is None


def test_a_run_that_is_over_has_ended_where_it_did(tmp_path):
    over = record(tmp_path, {"steps": 100}, np.ones(100), summary={"state": "diverged"})
    assert RunClock(over).planned_time == pytest.approx(40.0)


def test_the_end_that_is_given_is_taken(tmp_path):
    assert RunClock(record(tmp_path, {"steps": 100}, np.ones(100)), 33.0).planned_time == 33.0


def test_a_record_without_configuration_has_no_planned_end_but_steps(tmp_path):
    clock = RunClock(record(tmp_path, {}, np.full(100, 0.5)))
    assert clock.planned_time is None
    assert clock.step_at(10.0) == pytest.approx(20)
    assert clock.step_at(100.0) == pytest.approx(200)
