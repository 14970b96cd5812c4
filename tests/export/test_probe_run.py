import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eigenstep.encoders import load_encoder
from eigenstep.export import probe_run
from eigenstep.images import load_labelled
from eigenstep.probes import RIDGE_STRENGTHS
from eigenstep.training import OptimizerConfig, ProbesConfig, build_encoder, load_config, train


@pytest.fixture
def run(write_run, labelled_folder):
    return write_run(data=str(labelled_folder), best=5, probes=ProbesConfig(neighbours=9))


def ridge(train_x, test_x, train, test):
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(RIDGE_STRENGTHS))
    return model.fit(train_x, train.labels.numpy()).score(test_x, test.labels.numpy())


def passed(encoder, prepare, split):
    with torch.no_grad():
        return [outputs.double().numpy() for outputs in encoder.eval()(prepare(split.images))]


@pytest.mark.slow
def test_the_accuracies_are_those_of_the_checkpoint_of_the_start_and_of_pixels(run, settings):
    found = probe_run(run, 5, ["ridge"])
    train, test = (
        load_labelled(load_config(run / "config.yaml").data, settings.images, s, None)
        for s in ("train", "test")
    )
    trained = load_encoder(run, 5)
    torch.manual_seed(settings.seed)
    start = build_encoder("convnet", 16, settings.projector)
    for suffix, encoder in (("", trained), (" at step 0", start)):
        outputs = zip(
            passed(encoder, trained.prepare, train), passed(encoder, trained.prepare, test), strict=True
        )
        for what, (train_x, test_x) in zip(("features", "embeddings"), outputs, strict=True):
            assert found[what + suffix] == {"ridge": pytest.approx(ridge(train_x, test_x, train, test))}
    pixels = (split.images.flatten(1).double().numpy() / 255 for split in (train, test))
    assert found["pixels"] == {"ridge": pytest.approx(ridge(*pixels, train, test))}


@pytest.mark.slow
def test_the_start_is_that_of_training(run, labelled_folder, settings, tmp_path):
    """A rate at which no weight moves: probes of the trained features are then those of the start."""
    still = dataclasses.replace(
        settings,
        data=str(labelled_folder),
        backbone="test_vit",
        images=dataclasses.replace(settings.images, size=32, stored_size=None),
        steps=1,
        batch_size=16,
        threads=1,
        device="cpu",
        optimizer=OptimizerConfig(lr=1e-25),
    )
    train(still, tmp_path / "still")
    found = probe_run(tmp_path / "still")
    assert found["features"] == found["features at step 0"]
    assert found["embeddings"] == found["embeddings at step 0"]
    assert len({row["ridge"] for row in found.values()}) > 1


@pytest.mark.slow
def test_what_was_found_is_kept_in_the_run_folder(run, labelled_folder):
    (run / "probes.json").write_text("before")
    before = torch.get_rng_state()
    found = probe_run(run, "best")
    assert torch.equal(torch.get_rng_state(), before)
    rows = ["features", "embeddings", "features at step 0", "embeddings at step 0", "pixels"]
    assert list(found) == rows
    assert all(list(row) == ["knn", "ridge", "logistic"] for row in found.values())
    assert all(0 <= accuracy <= 1 for row in found.values() for accuracy in row.values())
    assert json.loads((run / "probes.json").read_text()) == {
        "checkpoint": "best_00000005",
        "data": str(labelled_folder),
        "train": {"split": "train", "images": 35},
        "test": {"split": "test", "images": 15},
        "classes": ["blue", "green", "red"],
        "neighbours": 9,
        "accuracies": found,
    }


@pytest.mark.slow
def test_other_labelled_images_can_be_named(write_run, labelled_folder):
    run = write_run()
    probes = ProbesConfig(data=str(labelled_folder), train_limit=20, test_limit=10, neighbours=3)
    probe_run(run, kinds=["knn"], probes=probes)
    kept = json.loads((run / "probes.json").read_text())
    assert (kept["train"]["images"], kept["test"]["images"], kept["neighbours"]) == (20, 10, 3)
    assert np.isin(list(kept["accuracies"]["pixels"]), ["knn"]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": []}, "expected at least one of knn, ridge and logistic, got none"),
        ({"kinds": ["svm"]}, "unknown probe 'svm'"),
        ({"checkpoint": "7"}, "has no checkpoint '7'; it has last, best, 5, 10"),
        ({"probes": ProbesConfig(data="photos")}, "photos have no splits and no labels"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here: .*; use cpu"),
        ({"probes": ProbesConfig(test_split="dev")}, "has no split 'dev'"),
    ],
)
def test_what_cannot_be_probed_is_refused_and_nothing_is_written(run, options, message):
    with pytest.raises(ValueError, match=message):
        probe_run(run, **options)
    assert not (run / "probes.json").exists()


@pytest.mark.slow
def test_where_the_weights_of_the_start_are_gone_all_else_is_probed(labelled_folder, settings, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(build_encoder("convnet", 16, settings.projector).backbone.state_dict(), path)
    started = dataclasses.replace(
        settings, data=str(labelled_folder), backbone_weights=str(path), steps=1, batch_size=8
    )
    train(started, tmp_path / "run")
    path.unlink()
    with pytest.warns(UserWarning, match=r"what the run started from is not probed: .*w\.pth"):
        found = probe_run(tmp_path / "run", kinds=["knn"], probes=ProbesConfig(neighbours=9))
    assert set(found) == {"features", "embeddings", "pixels"}
