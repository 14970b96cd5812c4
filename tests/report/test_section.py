import json

import numpy as np
import pytest

from eigenstep.record import read_record
from eigenstep.report import RunSection, write_report


def test_half_times_are_those_of_the_curves_in_both_units(write_run):
    section = RunSection(read_record(write_run(modes=4)))
    marks = section.data()["marks"]
    np.testing.assert_allclose([mark["time"] for mark in marks], [0.25, 0.5, 0.75, 1.0], rtol=5e-3)
    np.testing.assert_allclose([mark["step"] for mark in marks], [50, 100, 150, 200], rtol=5e-3)
    assert [row["half_time"]["step"] for row in section.context()["rises"]] == [
        "50",
        "100",
        "150",
        "200",
    ]


def test_a_predicted_run_is_marked_at_the_prediction_and_compared_with_it(write_run):
    section = RunSection(read_record(write_run(predicted=True, rows=121, modes=5, dimension=5)))
    context = section.context()
    assert [row["gamma"] for row in context["comparison"]] == ["9.00", "6.43", "5.00", "4.09", "3.46"]
    assert all(abs(row.error) < 1e-3 for row in section.comparison)
    assert context["rises"] == []


def test_a_predicted_time_after_the_end_is_listed_but_not_marked(write_run):
    section = RunSection(read_record(write_run(predicted=True, rows=45, modes=5, dimension=5)))
    assert len(section.data()["marks"]) == 4
    last = section.context()["comparison"][-1]
    assert last["measured"] is None
    assert last["predicted"] == {"time": "1.25", "step": "250"}


def test_a_loss_that_is_not_a_number_leaves_a_gap_and_a_count(write_run):
    folder = write_run()
    text = (folder / "metrics.jsonl").read_text().splitlines()
    text[-1] = '{"step": 300, "time": 1.5, "loss": NaN, "learning_rate": 0.005}'
    (folder / "metrics.jsonl").write_text("\n".join(text) + "\n")
    section = RunSection(read_record(folder))
    assert section.data()["loss"]["value"][-1] is None
    assert section.context()["not_finite"] == 1


def test_eigenvalues_without_rises_are_still_coloured(write_run):
    section = RunSection(read_record(write_run(modes=0)))
    assert section.rises == []
    assert section.coloured == 10


def test_a_run_without_measurements_is_refused(write_run):
    folder = write_run()
    (folder / "metrics.jsonl").write_text('{"step": 0, "ti')
    with pytest.raises(ValueError, match="has no measurement yet"):
        RunSection(read_record(folder))


def growing_run(write_run, **options):
    """A run that has ended while its fifth mode still grows."""
    folder = write_run(rows=57, modes=5, dimension=5, config={"steps": 280}, **options)
    return RunSection(read_record(folder))


def test_the_verdict_and_the_forecast_are_said(write_run):
    section = growing_run(write_run)
    context = section.context()
    assert context["verdict"]["state"] == section.analysis.verdict.state
    said = f"{context['verdict']['said']} {context['verdict']['rest']}"
    assert said.replace(". ", ": ", 1).lower() == section.analysis.verdict.sentence.lower()
    assert context["verdict"]["alarm"] is False
    assert context["forecast"] == section.analysis.forecast.sentence
    assert ("directions", "5.000") in context["verdict"]["evidence"]


@pytest.mark.slow
def test_what_went_wrong_is_an_alarm(write_run):
    folder = write_run()
    (folder / "summary.json").write_text('{"state": "diverged", "step": 300}')
    verdict = RunSection(read_record(folder)).context()["verdict"]
    assert (verdict["state"], verdict["alarm"]) == ("exploding", True)
    page = write_report(folder).read_text()
    assert 'class="verdict-sentence alarm"' in page
    assert '<small class="state alarm">exploding</small>' in page


def predicted_run(write_run, **entries):
    folder = write_run(
        rows=121, predicted=True, modes=5, dimension=5, config={"kind": "prediction", "kernel": "rbf"}
    )
    prediction = json.loads((folder / "prediction.json").read_text()) | entries
    (folder / "prediction.json").write_text(json.dumps(prediction))
    return folder


@pytest.mark.slow
def test_a_folder_that_is_a_prediction_shows_its_closed_form_and_calls_nothing_measured(write_run):
    folder = predicted_run(write_run, notes=["steps are nominal"], fit={"time_factor": 0.9, "run": "runs/a"})
    context = RunSection(read_record(folder)).context()
    assert context["verdict"] is None
    assert context["comparison"] == []
    assert [row["gamma"] for row in context["foreseen"]] == ["9.00", "6.43", "5.00", "4.09", "3.46"]
    assert [row["when"]["step"] for row in context["foreseen"]] == ["50", "100", "150", "200", "250"]
    assert context["forecast"] == "5 of 5 dimensions are predicted to be learned, the last at step 250."
    assert context["notes"] == [
        "Steps are nominal.",
        "Fitted to a by one constant, times are 0.900 times those given here.",
    ]
    page = write_report(folder).read_text()
    body = page[page.index('<section class="run"') : page.index("</section>")]
    assert "When each mode is predicted to be learned" in body
    assert not [
        word for word in ("Verdict", "loss as measured", ">Measured", "was learned</h3>") if word in body
    ]


@pytest.mark.slow
def test_of_a_course_in_steps_modes_and_eigenvalues_are_told_apart(write_run):
    times = [0.25, 0.5, None, None, None]
    folder = predicted_run(
        write_run,
        course="steps",
        half_times=times,
        mode_half_times=times[::-1],
        plateaus=[1, 1, None, None, None],
    )
    context = RunSection(read_record(folder)).context()
    assert context["learned"] == 2
    assert [(row["gamma"], row["when"]["step"]) for row in context["foreseen"]] == [
        ("3.46", "50"),
        ("4.09", "100"),
    ]
    assert [row["half_time"]["step"] for row in context["rises"]] == ["50", "100"]
    page = write_report(folder).read_text()
    assert "When each eigenvalue is predicted to rise" in page
