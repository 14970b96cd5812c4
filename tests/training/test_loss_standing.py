"""A training tells where its loss stands, and its record keeps the values by which it is placed."""

import dataclasses
import json
import math

import pytest
import torch

from eigenstep.analysis import loss_standing
from eigenstep.methods import SimCLRConfig
from eigenstep.training import OptimizerConfig, ProjectorConfig, RecordConfig, train


@pytest.fixture
def config(small_config):
    return small_config(
        steps=6,
        loss="simclr",
        simclr=SimCLRConfig(),
        projector=ProjectorConfig(hidden=(), dim=4, init_scale=1e-4),
        optimizer=OptimizerConfig(lr=1e-6),
        record=RecordConfig(every=1, probe=0),
    )


def test_a_small_start_is_told_to_stay_on_chance(config, tmp_path):
    told = []
    record = train(config, tmp_path / "run", progress=told.append)
    chance = math.log(2 * config.batch_size - 1)
    said = json.loads((tmp_path / "run" / "landmarks.json").read_text())
    assert {key: said[key] for key in ("loss", "pairs", "dim", "processes")} == {
        "loss": "SimCLR",
        "pairs": config.batch_size,
        "dim": 4,
        "processes": 1,
    }
    assert record.landmarks[0][:2] == ("chance", pytest.approx(chance))
    assert loss_standing(record).stays_on.name == "chance"
    standings = [progress.standing for progress in told if progress.stage == "training"]
    assert standings[3].endswith("chance to the floor")  # four measurements are no stretch yet
    assert standings[-1] == "stays on chance"


def test_a_resumed_run_goes_on_with_the_measurements_before(config, tmp_path):
    whole = train(config, tmp_path / "whole")
    train(dataclasses.replace(config, steps=5), tmp_path / "run")
    told = []
    resumed = train(config, tmp_path / "run", resume=True, progress=told.append)
    assert resumed.landmarks == whole.landmarks
    assert [each.standing for each in told if each.stage == "training"][-1] == "stays on chance"


def test_a_loss_without_landmarks_is_trained_without_a_word_of_them(config, tmp_path):
    told = []
    train(config, tmp_path / "run", objective=torch.nn.MSELoss(), progress=told.append)
    assert not (tmp_path / "run" / "landmarks.json").exists()
    assert {progress.standing for progress in told} == {""}


def test_landmarks_that_fail_end_no_training(config, tmp_path):
    class Mine(torch.nn.MSELoss):
        def landmarks(self):
            """Takes nothing of what it is given."""

    with pytest.warns(UserWarning, match="where the loss stands is not shown: its landmarks failed"):
        train(config, tmp_path / "run", objective=Mine())
    assert (tmp_path / "run" / "summary.json").exists()
