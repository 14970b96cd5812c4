"""Which images are compared, where they come from files and folders of images."""

import dataclasses
import shutil

import datasets
import numpy as np
import pytest
from PIL import Image

from eigenstep.comparison import compare
from eigenstep.export import embed
from eigenstep.prediction import config_of_run, predict
from eigenstep.training import ImagesConfig, ProjectorConfig, TrainConfig, train

QUICK = {"resamples": 2, "neighbours": 2}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`data` with 12 images to train on and 9 to test on, and a run on the former."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 9)):
        (tmp_path / "data" / split).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(256, size=(10, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / split / f"{number:02d}.png")
    config = TrainConfig(
        data=str(tmp_path / "data"),
        steps=1,
        batch_size=8,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=8),
        projector=ProjectorConfig(dim=2),
    )
    train(config, tmp_path / "run")
    return tmp_path


@pytest.mark.slow
def test_a_file_tells_of_which_images_it_is_and_runs_embed_those(folder):
    embed(folder / "run", folder / "test.parquet", split="test")
    found = compare([folder / "test.parquet", folder / "run"], **QUICK)
    assert found.images == 9
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_images_are_named_where_nothing_else_tells(folder):
    assert compare([folder / "run", folder / "run@init"], images=7, **QUICK).images == 7
    assert compare([folder / "run", folder / "run@init"], split="test", **QUICK).images == 9
    values = np.random.default_rng(0).normal(size=(9, 2))
    np.save(folder / "rows.npy", values)
    assert compare([folder / "run", folder / "rows.npy"], split="test", **QUICK).images == 9
    with pytest.raises(ValueError, match="expected as many images as the files have rows, 9, got 12"):
        compare([folder / "run", folder / "rows.npy"], **QUICK)
    with pytest.raises(ValueError, match="has no split 'dev'"):
        compare([folder / "run", folder / "run@init"], split="dev", **QUICK)


@pytest.mark.slow
def test_the_split_and_the_data_that_are_named_go_before_those_of_a_file(folder):
    embed(folder / "run", folder / "test.npz", split="test")
    for named in ({"split": "test"}, {"data": str(folder / "data")}):
        assert compare([folder / "test.npz", folder / "run"], **named, **QUICK).images == 9
    with pytest.raises(ValueError, match=r"data \(train\) does not hold the 9 images .* with --data and --"):
        compare([folder / "test.npz", folder / "run"], split="train", **QUICK)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        compare([folder / "test.npz", folder / "run"], data="./nowhere", **QUICK)


@pytest.mark.slow
def test_the_data_that_are_named_go_before_a_predictions_own_copy(folder):
    config = dataclasses.replace(config_of_run(folder / "run"), kernel="rbf", pairs=12, probe=9)
    predict(config, folder / "foreseen")
    inputs = [folder / "foreseen", folder / "run"]
    assert compare(inputs, **QUICK).images == 9
    assert compare(inputs, split="train", **QUICK).notes == []
    with pytest.raises(ValueError, match=r"data \(test\) does not hold the 9 images that are compared"):
        compare(inputs, split="test", **QUICK)
    shutil.copytree(folder / "data" / "test", folder / "other")
    with pytest.raises(ValueError, match=r"other \(train\) does not hold the 9 images"):
        compare(inputs, data=str(folder / "other"), **QUICK)


@pytest.mark.slow
def test_what_has_no_effect_on_which_images_are_compared_is_said(made):
    def idle(inputs, **named):
        notes = compare([made / name for name in inputs], **named, resamples=2).notes
        return [note.split()[0] for note in notes if "had no effect: predictions and files say" in note]

    named = {"images": 30, "data": "photos", "split": "train"}
    assert idle(["bt.npz", "foreseen"], **named) == ["--images", "--data", "--split"]
    assert idle(["bt.npz", "bt"], images=30, data="photos") == ["--images"]
    assert idle(["bt", "simclr"], images=30, data="photos") == []
    assert idle(["bt.npz", "bt"]) == []


def test_photographs_have_no_splits_and_no_images_are_too_few(made):
    for other in ("simclr", "bt.npz"):
        with pytest.raises(ValueError, match="expected no --split of photos, which have none, got train"):
            compare([made / "bt", made / other], split="train", **QUICK)
    for count in (0, -3):
        with pytest.raises(ValueError, match=f"--images is too small: expected at least 2, got {count}"):
            compare([made / "bt", made / "simclr"], images=count, **QUICK)
