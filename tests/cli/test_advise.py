import json

import numpy as np
import pytest

from eigenstep.cli import main
from eigenstep.record import RecordWriter
from eigenstep.training import load_config

CONFIG = """loss: simclr
steps: 40
views:
  crop_scale: [0.95, 1.0]
  jitter_probability: 0.0
"""


def write(folder, config=CONFIG, **health):
    writer, both = RecordWriter(folder, 4, config=config), np.ones(4)
    for step in range(6):
        spectrum = {"cross_correlation": both, "covariance": both}
        writer.append(step, float(step), spectrum, loss=2.0 - 0.1 * step, health=health)
    return folder


@pytest.fixture
def weak(tmp_path):
    """A run whose views hardly differ."""
    return write(
        tmp_path / "run", views_apart=0.05, features_agreement=0.95, features_agreement_of_others=0.0
    )


def test_cause_action_and_where_to_begin_are_printed(weak, capsys):
    assert main(["advise", str(weak)]) == 0
    text = capsys.readouterr().out
    assert "1. The augmentation is so weak" in text
    assert "--views.crop-scale" in text
    assert "The run can go on with the change." in text


def test_apply_writes_a_configuration_of_train(weak, tmp_path, capsys):
    better = tmp_path / "better.yaml"
    assert main(["advise", str(weak), "--apply", str(better)]) == 0
    assert "views.crop_scale: 0.95 1.0 -> 0.2 1.0" in capsys.readouterr().out
    assert load_config(better).views.crop_scale == (0.2, 1.0)
    assert load_config(better).loss == "simclr"


def test_json_has_what_is_printed(weak, capsys):
    assert main(["advise", str(weak), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["causes"][0]["cause"] == "views_too_weak"
    assert found["changes"]["views.crop_scale"] == [0.2, 1.0]


def test_a_sound_run_is_told_what_more_steps_bring(tmp_path, capsys):
    assert main(["advise", str(write(tmp_path / "run")), "--steps", "20"]) == 0
    text = capsys.readouterr().out
    assert "The record shows nothing wrong." in text
    assert "20 more steps" in text


def test_a_run_of_a_foreign_loop_has_no_configuration_to_change(tmp_path, capsys):
    run = write(tmp_path / "run", config="kind: monitor\n", views_equal=1.0)
    assert main(["advise", str(run), "--apply", str(tmp_path / "better.yaml")]) == 2
    assert "make the change by hand" in capsys.readouterr().err
    assert not (tmp_path / "better.yaml").exists()


@pytest.mark.slow
def test_a_batch_of_the_runs_data_and_its_last_weights_speaks_too(tmp_path, capsys):
    run = tmp_path / "run"
    training = ["train", "--loss", "simclr", "--out", str(run), "--steps", "4", "--batch-size", "64"]
    small = ["--images.patches", "128", "--images.size", "16", "--threads", "1"]
    chances = [f"--views.{each}-probability" for each in ("jitter", "flip", "grayscale")]
    plain = ["--views.crop-scale", "1", "1", *(part for each in chances for part in (each, "0"))]
    assert main([*training, *small, *plain]) == 0
    capsys.readouterr()
    assert main(["advise", str(run), "--batch", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = {each["cause"]: [one["said"] for one in each["evidence"]] for each in found["causes"]}
    assert any(one.endswith("both views are one") for one in said["same_view_twice"])


def test_a_watched_loop_is_told_how_to_give_a_batch(tmp_path, capsys):
    run = write(tmp_path / "run", config="kind: monitor\n", views_equal=1.0)
    assert main(["advise", str(run), "--batch"]) == 2
    assert "watched.advise(loader, loss)" in capsys.readouterr().err
