import json
import re

import pytest

from eigenstep.cli import main


@pytest.mark.slow
def test_it_tells_where_one_is_and_finds_nothing_wrong_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path}: writable" in said
    assert said.endswith("Nothing is wrong with this installation.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_is_gone_is_trouble_and_the_exit_code_says_so(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    monkeypatch.setenv("TMPDIR", str(gone))
    monkeypatch.setattr("tempfile.tempdir", str(gone))
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["folders"]["temporary"].startswith(f"! {gone}: cannot be written to")


@pytest.mark.slow
def test_options_that_it_names_are_options_of_train_or_embed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["doctor", "--json"])
    said = " ".join(json.loads(capsys.readouterr().out)["optional parts"].values())
    named = set(re.findall(r"--[a-z.]+", said))
    assert named
    for command in ("train", "embed"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    assert named <= set(re.findall(r"--[a-z.]+", capsys.readouterr().out))
