"""What the README shows runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=["monitor", "closed-form", "kernel"])
def test_the_readmes_python_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    assert "nan" not in capsys.readouterr().out


def test_the_readmes_local_links_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert links
    assert all((ROOT / link).exists() for link in links)


@pytest.mark.slow
def test_the_readmes_command_is_accepted(tmp_path, monkeypatch):
    from PIL import Image

    from eigenstep.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "path/to/images").mkdir(parents=True)
    for index in range(4):
        Image.new("RGB", (70, 70), (60 * index, 90, 30)).save(tmp_path / f"path/to/images/{index}.png")
    (command,) = re.findall(r"^    eigenstep (train --data path.*)$", README, flags=re.MULTILINE)
    short = ["--steps", "3", "--batch-size", "4", "--record.every", "1", "--threads", "1"]
    assert main([*command.split(), *short]) == 0
    assert main(["report", "runs/mine"]) == 0
    assert (tmp_path / "runs/mine/report.html").exists()
