import json

import numpy as np
import pytest
import torch

from eigenstep.analysis.verdicts import judge
from eigenstep.record import RecordWriter, read_record
from eigenstep.spectrum import SpectrumMonitor


def write(path, records, spectrum, **curves):
    """A run folder without any measure: `records` alike measurements, but for 5 % noise."""
    generator = np.random.default_rng(0)
    writer = RecordWriter(path, len(spectrum))
    for step in range(records):
        values = np.array(spectrum) * np.exp(0.05 * generator.normal(size=len(spectrum)))
        metrics = {name: float(curve[step]) for name, curve in curves.items()}
        writer.append(step, 0.1 * step, {"cross_correlation": values, "covariance": values}, **metrics)
    return path


def test_a_record_without_measures_is_judged_by_its_eigenvalues(tmp_path):
    assert judge(read_record(write(tmp_path, 60, [1.0, 0.8, 0.5, 0.3]))).state == "saturated"


@pytest.mark.slow
def test_a_monitors_record_is_judged_by_its_measures_too(tmp_path):
    torch.manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(16), dim=0)
    with SpectrumMonitor(tmp_path, every=1) as monitor:
        for step in range(40):
            apart = torch.randn(128, 16)
            monitor.update(directions * (1 + 0.3 * torch.randn(128, 1)) + apart * max(0.5**step, 0.01))
    verdict = judge(read_record(tmp_path))
    assert verdict.state == "complete collapse"
    assert "mean cosine 0.99" in verdict.sentence
    assert {"mean_norm", "spread"} <= {*verdict.evidence}


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 2])
def test_a_measurement_over_fewer_rows_than_dimensions_is_no_collapse(tmp_path, views):
    torch.manual_seed(0)
    with SpectrumMonitor(tmp_path, every=1) as monitor:
        for _ in range(60):
            monitor.update(*(torch.randn(8, 64) for _ in range(views)))
    assert judge(read_record(tmp_path)).state == "saturated"


def test_a_run_that_has_measured_nothing_is_too_early(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    verdict = judge(read_record(tmp_path))
    assert (verdict.state, verdict.evidence) == ("too early", {"records": 0.0})


def test_a_last_measurement_whose_metrics_are_not_written_yet_does_not_count(tmp_path):
    write(tmp_path, 60, [1.0, 0.8, 0.5, 0.3], loss=np.linspace(1, 0.9, 60))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join(lines[:-1]) + lines[-1][:7])
    assert judge(read_record(tmp_path)).evidence["records"] == 59


def test_a_run_that_says_that_it_diverged_has_exploded(tmp_path):
    write(tmp_path, 3, [1.0, 0.5], loss=np.ones(3))
    (tmp_path / "summary.json").write_text(json.dumps({"state": "diverged", "step": 3}))
    assert judge(read_record(tmp_path)).state == "exploding"
