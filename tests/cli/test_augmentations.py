"""The command `augmentations`, and the option of `train` that takes its sets."""

import json

import numpy as np
import pytest

from eigenstep.cli import main
from eigenstep.modes.augmentations import read_set
from eigenstep.training import load_config

PHOTOS = ["photos", "--images.patches", "160", "--images.size", "16", "--count", "160", "--principal", "32"]


def test_a_run_takes_a_set_and_options_beside_it_change_it(tmp_path):
    (tmp_path / "best.yaml").write_text("crop_scale: [0.5, 1.0]\nhue: 0.0\nblur_probability: 0.5\n")
    options = ["--images.patches", "32", "--images.size", "8", "--batch-size", "8", "--steps", "1"]
    chosen = ["--views.set", str(tmp_path / "best.yaml"), "--views.blur-probability", "0.25"]
    assert main(["train", *options, *chosen, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    views = load_config(tmp_path / "run" / "config.yaml").views
    assert (views.crop_scale, views.hue, views.blur_probability) == ((0.5, 1.0), 0.0, 0.25)


def test_without_labels_the_page_is_written_and_no_set_is_called_best(tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("whole:\n  crop_scale: [1.0, 1.0]\ntiny:\n  crop_scale: [0.02, 0.1]\n")
    own = ["--sets", str(tmp_path / "own.yaml"), "--family", "none"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "best.yaml").write_text("hue: 0.0\n")  # of another time, with labels
    assert main(["augmentations", *PHOTOS, *own, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "augmentations.json").read_text())
    assert list(found["sets"]) == ["whole", "tiny"]
    assert found["best"] is None
    assert capsys.readouterr().out.splitlines()[-1].startswith("not ranked")
    assert not (tmp_path / "out" / "best.yaml").exists()
    assert read_set(f"{tmp_path}/out/sets.yaml@tiny").views.crop_scale == (0.02, 0.1)


def test_of_few_images_fewer_principal_directions_are_taken(tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text("whole:\n  crop_scale: [1.0, 1.0]\n")
    few = [*PHOTOS[: PHOTOS.index("--principal")], "--sets", str(own), "--family", "none"]
    assert main(["augmentations", *few, "--out", str(tmp_path / "out")]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--principal", "500"], "more images than principal directions"),
        (["--labels", "yes"], "no labels"),
        (["--images.label", "species"], "no labels"),
        (["--training.loss", "simclrr"], "expected one of barlow_twins, simclr,"),
        (["--training.loss", "simclrr"], "Did you mean simclr?"),
        (["--training.loss", "byol"], "loss: expected one of"),
        (["--training.steps", "0"], "Error parsing --training: steps: expected at least 1, got 0"),
        (["--sets", "nowhere.yaml"], "there is no configuration file nowhere.yaml"),
        (["--views.own", "x:y"], "views of one's own, x:y, have no set"),
        (["--principal", "0"], "--principal: expected at least 1"),
        (["--first-seeds", "1"], "--first-seeds: expected at least 2"),
        (["--workers", "0"], "--workers: expected at least 1"),
        (["--count", "0"], "--count: expected at least 1"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(tmp_path, capsys, options, expected):
    assert main(["augmentations", *PHOTOS, *options, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert len(told.splitlines()) == 1


def test_a_run_is_not_taken_for_images(tmp_path, capsys):
    """Its arrays would be: the fixed probe batch, for one."""
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "time": 0.0}\n')
    (tmp_path / "config.yaml").write_text("data: photos\n")
    assert main(["augmentations", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "is a run: expected images" in capsys.readouterr().err


def test_constant_images_are_told_in_one_line(tmp_path, capsys):
    np.save(tmp_path / "grey.npy", np.full((40, 16, 16, 3), 90, dtype=np.uint8))
    given = [str(tmp_path / "grey.npy"), "--images.size", "16", "--principal", "8"]
    assert main(["augmentations", *given, "--out", str(tmp_path / "out")]) == 2
    assert "constant" in capsys.readouterr().err
