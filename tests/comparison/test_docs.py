"""The commands of docs/faster.md run from top to bottom, on small images."""

import re
import shlex
from pathlib import Path

import pytest

from eigenstep.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "faster.md").read_text()
TINY = [
    "--images.size",
    "8",
    "--images.patches",
    "64",
    "--steps",
    "60",
    "--batch-size",
    "32",
    "--threads",
    "1",
]


@pytest.mark.slow
def test_the_commands_of_the_page_run_and_tell_how_much_sooner(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    ]
    assert len(commands) == 5
    for line in commands:
        _, *arguments = shlex.split(line)
        arguments += TINY if arguments[0] == "train" else ["--resamples", "2"]
        assert main(arguments) == 0, line
    said = capsys.readouterr().out
    assert "update rule: orthogonalised (Muon, learning rate 0.02)" in said
    assert "A → B: how many times sooner" in said
