"""Faults injected into real trainings of a few steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenstep.advice import advise
from eigenstep.images import ImagesConfig
from eigenstep.methods import METHODS
from eigenstep.record import RecordWriter, read_record
from eigenstep.training import (
    OptimizerConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    photo_patches,
    train,
)
from eigenstep.views import TwoViews, ViewsConfig

CONFIG = TrainConfig(
    loss="vicreg",
    steps=12,
    batch_size=32,
    threads=1,
    device="cpu",
    images=ImagesConfig(size=16, patches=256),
    projector=ProjectorConfig(dim=16, init_scale=1.0),
    optimizer=OptimizerConfig(name="adamw", lr=1e-3),
    record=RecordConfig(every=1, probe=8),
)
ROWS = photo_patches(256, 16)


def changed(change):
    sound = TwoViews(ViewsConfig().for_channels(3), 16)

    def views(batch, generator):
        return change(*sound(batch, generator))

    views.plain = lambda batch: change(*2 * (batch.float() / 255,))[0]
    return views


def unscaled(a, b):
    return a * 60 + 120, b * 60 + 120


def first_cause(out, config=CONFIG, **own):
    causes = advise(train(config, out, **own)).causes
    return causes[0].cause.name if causes else None


def test_a_sound_run_has_no_cause(tmp_path):
    assert not advise(train(CONFIG, tmp_path / "run")).ill


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda a, b: (a, a.clone()), "same_view_twice"),
        (lambda a, b: (a, b.roll(5, 0)), "views_of_other_images"),
        (unscaled, "values_not_scaled"),
    ],
)
def test_faults_of_views(tmp_path, change, name):
    assert first_cause(tmp_path / "run", images=ROWS, views=changed(change)) == name


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (ROWS[:4].repeat(64, 1, 1, 1), "images_repeated"),
        (torch.full_like(ROWS, 90), "blank_images"),
        (torch.where(torch.rand(256, 1, 1, 1) < 0.7, torch.full_like(ROWS, 90), ROWS), "blank_images"),
    ],
)
def test_faults_of_images(tmp_path, rows, name):
    images = list(np.asarray(rows.permute(0, 2, 3, 1)))
    assert first_cause(tmp_path / "run", images=images) == name


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"freeze": "all"}, "backbone_frozen"),
        ({"optimizer": OptimizerConfig(name="adamw", lr=1.0)}, "rate_too_high"),
        ({"optimizer": OptimizerConfig(name="adamw", lr=1e-8)}, "rate_too_low"),
        ({"optimizer": OptimizerConfig(name="adamw", lr=1e-3, warmup_steps=10_000)}, "schedule"),
        ({"optimizer": OptimizerConfig(name="adamw", lr=1e-3, weight_decay=300.0)}, "decay_too_strong"),
        ({"projector": ProjectorConfig(dim=16, hidden=(64, 2), init_scale=1.0)}, "bottleneck"),
        (
            {"projector": ProjectorConfig(dim=16, init_scale=1e-5), "optimizer": OptimizerConfig(lr=2e-3)},
            "start_too_small",
        ),
        ({"batch_size": 4}, "batch_too_small"),
        ({"views": ViewsConfig(crop_scale=(0.95, 1.0), jitter_probability=0.0)}, "views_too_weak"),
    ],
)
def test_faults_of_the_configuration(tmp_path, changes, name):
    assert first_cause(tmp_path / "run", replace(CONFIG, **changes)) == name


def test_a_loss_that_bursts_between_measurements_from_a_small_start_is_cured_by_the_methods_own_rate(
    tmp_path,
):
    """The one measurement, of step 0, was of small embeddings, which hardly move the weights."""
    config = replace(
        CONFIG,
        loss="barlow_twins",
        steps=60,
        projector=ProjectorConfig(dim=16, init_scale=0.01),
        record=RecordConfig(every=1000, probe=8),
    )
    with pytest.raises(FloatingPointError):
        train(replace(config, optimizer=OptimizerConfig(name="sgd", lr=0.5)), tmp_path / "bad")
    found = advise(read_record(tmp_path / "bad"))
    assert [each.cause.name for each in found.causes] == ["rate_too_high"]
    assert found.changes == {"optimizer.lr": METHODS["barlow_twins"].rate}
    cured = train(replace(config, optimizer=OptimizerConfig(name="sgd", lr=0.005)), tmp_path / "good")
    assert not advise(cured).ill


def test_where_the_usual_rate_bursts_too_a_tenth_of_it_is_advised(tmp_path):
    config = "{loss: simclr, optimizer: {name: sgd, lr: 0.05}}"
    writer = RecordWriter(tmp_path / "run", 2, config=config)
    for step in range(3):
        both = {"cross_correlation": np.ones(2), "covariance": np.full(2, 10.0 ** (3 * step))}
        writer.append(step, 0.05 * step, both, loss=1.0, health={"update_backbone": 0.5})
    writer.finish("diverged", 3)
    assert advise(read_record(tmp_path / "run")).changes == {"optimizer.lr": pytest.approx(0.005)}
