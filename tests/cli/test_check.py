"""`eigenstep check`: its table, its exit codes, and that it leaves nothing."""

import json
import re

import pytest

from eigenstep.advice.checks import CHECKS
from eigenstep.cli import main

SMALL = [
    *("check", "--threads", "1", "--device", "cpu", "--batch-size", "64", "--images.patches", "192"),
    *("--projector.init-scale", "1"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_a_sound_configuration_gives_0_and_leaves_no_file(capsys, tmp_path):
    assert main(SMALL) == 0
    printed = capsys.readouterr().out
    assert all(each.name in printed for each in CHECKS)
    assert "0 wrong" in printed
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_gives_1_and_the_option_that_sets_it_right(capsys):
    assert main([*SMALL, "--optimizer.name", "adamw", "--optimizer.lr", "0.3"]) == 1
    assert "--optimizer.lr 0.001" in capsys.readouterr().out


def test_what_is_doubtful_gives_0_and_is_told(capsys):
    assert main([*SMALL, "--views.blur-probability", "1"]) == 0
    assert re.search(r"blur .* doubtful", capsys.readouterr().out)


def test_what_cannot_be_run_gives_2_in_one_line(capsys):
    assert main([*SMALL, "--data", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nowhere" in error


def test_json_holds_the_whole_table(capsys):
    assert main([*SMALL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert [each["check"] for each in found["checks"]] == [each.name for each in CHECKS]
