"""docs/predict.md, and docs/compare.md after it, do what they say, on small images: commands and Python."""

import re
import shlex
from pathlib import Path

import pytest

from eigenstep.cli import main

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "predict.md").read_text() + (DOCS / "compare.md").read_text()
# The page's probe batch of 256 images is one of 64 here.
HERE = PAGE.replace("256", "64")
TINY = ["--images.size", "8", "--images.patches", "64"]
TRAINED = [*TINY, "--steps", "100", "--batch-size", "32", "--threads", "1", "--device", "cpu"]


def arguments_of(line):
    """The command with as little data as the page's promises allow."""
    _, *arguments = shlex.split(line)
    if arguments[0] == "train":
        return arguments + TRAINED
    if arguments[0] != "predict":
        return arguments + ["--resamples", "2"] * (arguments[0] == "compare")
    line = re.sub(r"--pairs \d+", "", shlex.join(arguments)) + " --pairs 30 --threads 1"
    return shlex.split(line) + TINY * ("--run" not in arguments)


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom_and_prints_what_stands_beside_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, promised = {}, 0
    for kind, block in re.findall(r"```(sh|python)\n(.*?)```", HERE, flags=re.DOTALL):
        capsys.readouterr()
        if kind == "sh":
            for line in block.splitlines():
                assert main(arguments_of(line)) == 0, line
            continue
        exec(compile(block, "docs", "exec"), names)
        expected = re.findall(r"^print\(.*\)  # (.*)$", block, flags=re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == expected
        promised += len(expected)
    assert promised == PAGE.count("print(") > 0


@pytest.mark.slow
def test_every_entry_that_the_page_names_is_in_the_folder_s_files(tmp_path):
    from eigenstep.prediction import PredictConfig, predict
    from eigenstep.training import ImagesConfig, ProjectorConfig

    config = PredictConfig(pairs=8, probe=6, images=ImagesConfig(size=8), projector=ProjectorConfig(dim=2))
    prediction = predict(config, tmp_path / "out").prediction
    (row,) = re.findall(r"^\| `prediction.json` \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) <= set(prediction)
