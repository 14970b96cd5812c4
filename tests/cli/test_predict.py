import json
from pathlib import Path

import pytest

from eigenstep.cli import main
from eigenstep.record import read_record

SMALL = ["--pairs", "12", "--probe", "10", "--projector.dim", "3", "--threads", "1"]


@pytest.mark.slow
def test_a_prediction_is_written_shown_and_reported(data, capsys, run_in_shell):
    line = [
        "predict",
        "--data",
        data,
        "--images.size",
        "16",
        "--kernel",
        "rbf",
        *SMALL,
        "--out",
        "it's foreseen",
    ]
    assert main(line) == 0
    output = capsys.readouterr()
    (told,) = output.err.splitlines()
    assert told.endswith("--images.split says which is used")
    assert "Predicted learning" in output.out
    assert "note: time is that of the kernel's gradient flow" in output.out
    *_, first, hint = output.out.splitlines()
    assert first == "prediction: it's foreseen"
    assert read_record("it's foreseen").is_prediction
    run_in_shell(hint.removeprefix("report: "))
    assert Path("it's foreseen/report.html").is_file()


@pytest.mark.slow
def test_a_run_sets_the_defaults_and_its_moment_is_chosen(run, capsys):
    for at in ("init", "2"):
        line = ["predict", "--run", "run", "--kernel", "ntk", "--at", at, *SMALL[:2], "--out", f"at-{at}"]
        assert main(line) == 0
    first, second = read_record("at-init"), read_record("at-2")
    assert second.config["ntk"]["at"] == "2"
    assert first.config["images"]["size"] == 16
    assert first.prediction["gamma"] != second.prediction["gamma"]
    assert len(first.prediction["gamma"]) <= 16


@pytest.mark.slow
def test_without_a_folder_one_is_found(data, capsys):
    line = ["predict", "--data", data, "--images.size", "16", *SMALL]
    for number in ("", "-2"):
        assert main(line) == 0
        assert f"prediction: runs/data-barlow_twins-rbf-predicted{number}\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "nowhere"], "there is no run in nowhere"),
        (["--loss", "byol"], "byol"),
        (["--loss", "vicreg"], "needs a learning rate"),
        (["--at", "final"], "ntk.at final is about the tangent kernel"),
        (["--overwrite"], "--overwrite needs --out FOLDER"),
        (["--barlow-twins.normalize", "batch"], "expected barlow_twins.normalize none"),
        (["--data", "./nowhere"], "there is no folder ./nowhere"),
        (["--fit", "nowhere"], "nowhere is not a run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_predicted_is_refused_in_one_line(refused, options, message):
    assert message in refused(["predict", *options])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError("expected memory_budget\nto hold"), "eigenstep: expected memory_budget to hold\n"),
        (MemoryError(), "eigenstep: not enough memory\n"),
    ],
)
def test_a_tangent_kernel_without_memory_is_one_line(run, capsys, monkeypatch, error, line):
    def without_memory(*_, **__):
        raise error

    monkeypatch.setattr("eigenstep.prediction._kernel_values.empirical_ntk", without_memory)
    assert main(["predict", "--run", "run", "--kernel", "ntk", *SMALL[:2], "--out", "out"]) == 2
    assert capsys.readouterr().err == line
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_prediction_and_a_run_are_compared(run, capsys):
    assert main(["predict", "--run", "run", *SMALL[:2], "--out", "foreseen"]) == 0
    capsys.readouterr()
    line = ["compare", "run@2", "run", "--resamples", "5", "--neighbours", "3", "--images", "22"]
    assert main([*line, "--out", "found"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "A: run@2 (run, step 2, 0 of 16 modes learned; SGD, learning rate 0.005)" in shown.out
    assert "A–B, subspace overlap" in shown.out
    assert shown.out.endswith("html: found/comparison.html\npng: found/comparison.png\n")
    assert main([*line, "--out", "found", "--json"]) == 0  # over what is there
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads(Path("found/comparison.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "expected at least two inputs to compare, got 1"),
        (["run", "nowhere"], "there is no nowhere"),
        (["run", "run@2", "--images", "0"], "--images is too small: expected at least 2, got 0"),
        (["run", "run@2", "--out", "run/config.yaml"], "cannot be made: run/config.yaml is a file"),
        (["run", "run@9"], "run has no checkpoint '9'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_compared_is_refused_in_one_line(run, refused, arguments, message):
    assert message in refused(["compare", *arguments])


@pytest.mark.slow
def test_of_few_images_spaces_are_left_out_and_the_rest_is_compared(run, capsys):
    assert main(["compare", "run", "run@2", "--images", "10", "--neighbours", "3"]) == 0
    shown = capsys.readouterr().out
    assert "A–B, linear CKA" in shown
    assert "A–B, subspace overlap" not in shown
    assert "note: run and run@2: their spaces are not compared: expected more images than modes" in shown
