"""The commands and the Python of docs/encoders.md do what the page says, on small images."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eigenstep.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "encoders.md").read_text()
SMALL = ["--steps", "2", "--batch-size", "8", "--images.size", "8", "--threads", "1", "--device", "cpu"]


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom_and_prints_what_stands_beside_it(
    labelled_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name in ("cat.jpg", "dog.jpg"):
        Image.fromarray(np.random.default_rng(0).integers(256, size=(30, 40, 3), dtype=np.uint8)).save(name)
    names, promised = {}, 0
    for kind, block in re.findall(r"```(sh|python)\n(.*?)```", PAGE, flags=re.DOTALL):
        capsys.readouterr()
        if kind == "sh":
            for line in block.splitlines():
                line = line.replace("cifar10", str(labelled_folder)).replace("every 200", "every 1")
                _, *arguments = shlex.split(line)
                assert main(arguments + SMALL * (arguments[0] == "train")) == 0, line
            continue
        exec(compile(block, "docs/encoders.md", "exec"), names)
        expected = re.findall(r"^print\(.*\)  # (.*)$", block, flags=re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == expected
        promised += len(expected)
    assert promised == PAGE.count("print(") > 0


def test_the_page_names_every_command_about_encoders():
    assert {"probe", "embed", "export"} <= set(re.findall(r"^eigenstep (\w+)", PAGE, flags=re.MULTILINE))
