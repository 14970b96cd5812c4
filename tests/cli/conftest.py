"""A run on a small labelled data set, and what the command prints about it."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from eigenstep.cli import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Nothing is written into the repository, and the terminal is no terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "EIGENSTEP_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _datasets_cache(tmp_path_factory):
    """What the datasets library prepares stays within the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture
def run_in_shell(tmp_path) -> Callable[[str], str]:
    """`run_in_shell(line)`: what a shell prints to the line as it stands; `eigenstep` is this one."""
    command = tmp_path / "bin" / "eigenstep"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m eigenstep "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])

    def run(line: str) -> str:
        done = subprocess.run(
            line, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def refused(capsys) -> Callable[[list[str]], str]:
    """`refused(arguments)`: the one line on stderr with which the command refuses them."""

    def refuse(arguments: list[str]) -> str:
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("eigenstep: ")
        assert error.count("\n") == 1
        return error.removeprefix("eigenstep: ").rstrip("\n")

    return refuse


@pytest.fixture
def data(tmp_path, trained) -> str:
    """A folder `data` of images in `train/CLASS` and `test/CLASS`, 2 classes of 12 + 6; one is broken."""
    shutil.copytree(trained / "data", tmp_path / "data")
    return "data"


@pytest.fixture
def run(tmp_path, data, trained) -> Path:
    """A run folder `run` on `data`, with checkpoints at steps 2 and 4, probed at both."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return Path("run")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, _datasets_cache) -> Path:
    """Where the two are made."""
    folder = tmp_path_factory.mktemp("trained")
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for index, name in enumerate(("cat", "dog")):
            place = folder / "data" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 200, (16, 16, 3))
                pixels[..., index] += 40
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02d}.png")
    (folder / "data" / "train" / "dog" / "03.png").write_text("no image")
    options = {
        "data": "data",
        "steps": 4,
        "batch-size": 8,
        "threads": 1,
        "device": "cpu",
        "images.size": 16,
        "checkpoint.every": 2,
        "probes.every": 2,
        "probes.neighbours": 5,
        "out": "run",
    }
    line = ["train", *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(line) == 0
    return folder
