import dataclasses

import numpy as np
import pytest

from eigenstep.analysis import RunClock
from eigenstep.record import RecordWriter, RunRecord, read_record


def cosine(lr, steps, warmup=0):
    """Learning rates (steps,) that warm up along a line and fall to zero along half a cosine."""
    step = np.arange(steps)
    falling = (1 + np.cos(np.pi * np.clip((step - warmup) / (steps - warmup), 0, 1))) / 2
    return lr * np.where(step < warmup, (step + 1) / max(warmup, 1), falling)


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
    options = {"lr": 0.02, "schedule": "cosine", "warmup_steps": 20}
    rates = cosine(0.02, 400, warmup=20)
    clock = RunClock(record(tmp_path, {"steps": 400, "optimizer": options}, rates))
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


def test_after_a_cosine_schedule_steps_are_counted_at_its_mean_rate(tmp_path):
    options = {"lr": 0.02, "schedule": "cosine"}
    rates = np.append(cosine(0.02, 40), 0.0)
    clock = RunClock(record(tmp_path, {"steps": 40, "optimizer": options}, rates, {"state": "finished"}))
    total = rates[:40].sum()
    assert clock.planned_time == pytest.approx(total)
    assert clock.step_at(1.5 * total) == pytest.approx(60)


def test_without_eigenvalues_the_metrics_tell_the_steps(tmp_path):
    read = record(tmp_path, {}, np.full(100, 0.5))
    assert RunClock(dataclasses.replace(read, eigenvalues=None)).step_at(10.0) == pytest.approx(20)


def test_a_long_schedule_is_followed_in_a_thousand_pieces(tmp_path):
    options = {"lr": 0.02, "schedule": "cosine"}
    rates = cosine(0.02, 100_000)
    clock = RunClock(record(tmp_path, {"steps": 100_000, "optimizer": options}, rates))
    assert clock.planned_time == pytest.approx(rates.sum(), rel=1e-5)
    pieces = np.linspace(40, 100_000, 1001)
    height = 1 + np.cos(np.pi * pieces / 100_000)
    ahead = (0.02 * height / height[0] * (rates[35:40].mean() / 0.02)).astype(float)
    passed = rates[:40].sum() + np.cumsum((ahead[1:] + ahead[:-1]) / 2 * np.diff(pieces))
    middle = passed[499]
    assert clock.step_at(middle) == pytest.approx(pieces[500], abs=1e-3)
