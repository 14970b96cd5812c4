from dataclasses import replace

import numpy as np
import pytest

from eigenstep.advice import more_steps
from eigenstep.record import RecordWriter, read_record


def run_with(folder, accuracies, dim=4, config="loss: mine"):
    """A run whose probes at steps 100, 200, ... found these accuracies."""
    writer = RecordWriter(folder, dim, config=config)
    for number, accuracy in enumerate(accuracies, start=1):
        spectrum = {"cross_correlation": np.ones(dim), "covariance": np.ones(dim)}
        writer.append(100 * number, float(number), spectrum, loss=1.0)
        row = {"step": 100 * number, "time": float(number), "knn_features": accuracy, "knn_embeddings": 0.1}
        writer.append_to("probes", row)
    return read_record(folder)


def law(steps, slope=0.03):
    return 0.2 + slope * np.log2(np.asarray(steps) / 100)


def test_a_law_in_log_step_goes_on(tmp_path):
    steps = 100 * np.arange(1, 9)
    found = more_steps(run_with(tmp_path / "run", law(steps)), 800)
    (gain,) = found.gains
    assert gain.probe == "knn_features"
    assert gain.gain == pytest.approx(law(1600) - law(800), abs=1e-6)
    assert "points" in found.sentence


def test_the_interval_holds_the_truth_as_often_as_it_says(tmp_path):
    rng, held, steps = np.random.default_rng(0), 0, 100 * np.arange(1, 13)
    record = run_with(tmp_path / "run", law(steps))
    for _ in range(1000):
        noise = 0.01 * rng.normal(size=len(steps) + 1)
        probed = replace(record, probes=record.probes | {"knn_features": law(steps) + noise[:-1]})
        (gain,) = more_steps(probed, 1200).gains
        held += abs(law(2400) + noise[-1] - gain.now - gain.gain) <= gain.error
    assert held / 1000 == pytest.approx(0.9, abs=0.04)


def test_earlier_runs_of_the_same_kind_tell_better(tmp_path):
    record = run_with(tmp_path / "run", law(100 * np.arange(1, 5)))
    earlier = [run_with(tmp_path / f"{n}", law(100 * np.arange(1, 9), 0.01)) for n in range(3)]
    (gain,) = more_steps(record, 400, earlier).gains
    assert gain.gain == pytest.approx(0.01, abs=1e-6)
    assert gain.by == "3 earlier runs"


def test_runs_of_another_kind_tell_nothing(tmp_path):
    record = run_with(tmp_path / "run", law(100 * np.arange(1, 5)))
    other = [run_with(tmp_path / f"{n}", law(100 * np.arange(1, 9)), config="loss: other") for n in range(3)]
    assert more_steps(record, 400, other).gains[0].by == "a straight line in log step"


def test_without_labels_nothing_is_said_of_accuracy(tmp_path):
    writer = RecordWriter(tmp_path, 2)
    for step in range(3):
        writer.append(
            step, float(step), {"cross_correlation": np.ones(2), "covariance": np.ones(2)}, loss=1.0
        )
    found = more_steps(read_record(tmp_path))
    assert found.gains == ()
    assert "k-NN" not in found.sentence


def test_no_steps_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        more_steps(run_with(tmp_path / "run", law([100, 200])), 0)
