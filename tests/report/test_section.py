import numpy as np
import pytest

from eigenstep.record import read_record
from eigenstep.report import RunSection


def test_half_times_are_those_of_the_curves_in_both_units(write_run):
    section = RunSection(read_record(write_run(modes=4)))
    marks = section.data("run-1")["marks"]
    np.testing.assert_allclose([mark["time"] for mark in marks], [0.25, 0.5, 0.75, 1.0], rtol=5e-3)
    np.testing.assert_allclose([mark["step"] for mark in marks], [50, 100, 150, 200], rtol=5e-3)
    assert [row["half_time"]["step"] for row in section.context("run-1")["rises"]] == [
        "50",
        "100",
        "150",
        "200",
    ]


def test_a_predicted_run_is_marked_at_the_prediction_and_compared_with_it(write_run):
    section = RunSection(read_record(write_run(predicted=True, rows=121, modes=5, dimension=5)))
    context = section.context("run-1")
    assert [row["gamma"] for row in context["comparison"]] == ["9.00", "6.43", "5.00", "4.09", "3.46"]
    assert all(abs(row.error) < 1e-3 for row in section.comparison)
    assert context["rises"] == []


def test_a_predicted_time_after_the_end_is_listed_but_not_marked(write_run):
    section = RunSection(read_record(write_run(predicted=True, rows=45, modes=5, dimension=5)))
    assert len(section.data("run-1")["marks"]) == 4
    last = section.context("run-1")["comparison"][-1]
    assert last["measured"] is None
    assert last["predicted"] == {"time": "1.25", "step": "250"}


def test_a_loss_that_is_not_a_number_leaves_a_gap_and_a_count(write_run):
    folder = write_run()
    text = (folder / "metrics.jsonl").read_text().splitlines()
    text[-1] = '{"step": 300, "time": 1.5, "loss": NaN, "learning_rate": 0.005}'
    (folder / "metrics.jsonl").write_text("\n".join(text) + "\n")
    section = RunSection(read_record(folder))
    assert section.data("run-1")["loss"]["value"][-1] is None
    assert section.context("run-1")["not_finite"] == 1


def test_eigenvalues_without_rises_are_still_coloured(write_run):
    section = RunSection(read_record(write_run(modes=0)))
    assert section.rises == []
    assert section.coloured == 10


def test_a_run_without_measurements_is_refused(write_run):
    folder = write_run()
    (folder / "metrics.jsonl").write_text('{"step": 0, "ti')
    with pytest.raises(ValueError, match="has no measurement yet"):
        RunSection(read_record(folder))
