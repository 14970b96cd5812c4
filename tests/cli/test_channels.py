"""Images of several channels and 16 bits, from the command line."""

import json

import numpy as np
import pytest
import tifffile

from eigenstep.cli import main
from eigenstep.training import load_config

SMALL = [
    *("train", "--threads", "1", "--device", "cpu", "--steps", "2", "--batch-size", "8", "--out", "run"),
    *("--images.size", "8", "--projector.hidden", "8", "--projector.dim", "4", "--data", "fields"),
]


@pytest.fixture(autouse=True)
def _fields(tmp_path):
    """Sixteen files of four channels, with values of 12 bits, in tmp_path/fields."""
    (tmp_path / "fields").mkdir()
    rng = np.random.default_rng(0)
    for number in range(16):
        values = rng.integers(0, 4096, (8, 8, 4), dtype=np.uint16)
        options = {"photometric": "minisblack", "planarconfig": "contig"}
        tifffile.imwrite(tmp_path / "fields" / f"{number}.tif", values, **options)


@pytest.mark.parametrize(
    "given", [["--images.take", "4,2"], ["--images.take", "4", "2"], ["--images.take=4,2"]]
)
def test_numbers_may_be_joined_by_commas(given, tmp_path):
    assert main([*SMALL, *given, "--images.range", "0,4095", "--projector.hidden", "8,6"]) == 0
    config = load_config(tmp_path / "run" / "config.yaml")
    assert config.images.take == (4, 2)
    assert config.images.range == (0.0, 4095.0)
    assert config.projector.hidden == (8, 6)


def test_commas_in_names_join_nothing(tmp_path):
    (tmp_path / "fields").rename(tmp_path / "4,2")
    assert main([*SMALL, "--data", "4,2"]) == 0
    assert load_config(tmp_path / "run" / "config.yaml").data == "4,2"


def test_what_was_guessed_of_the_images_is_told_once_and_kept(capsys, tmp_path):
    assert main(SMALL) == 0
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("set --images.range 0 4095") == 1
    assert "warning: fields: no value of 16 images" in printed.err
    (note,) = json.loads((tmp_path / "run" / "summary.json").read_text())["images"]["notes"]
    assert note.endswith("set --images.range 0 4095")
    assert main(["report", "run"]) == 0
    assert note in (tmp_path / "run" / "report.html").read_text()
