"""Which images are compared, where they come from files and folders of images."""

import datasets
import numpy as np
import pytest
from PIL import Image

from eigenstep.export import embed
from eigenstep.side_by_side import compare
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


def test_a_file_tells_of_which_images_it_is_and_runs_embed_those(folder):
    embed(folder / "run", folder / "test.parquet", split="test")
    found = compare([folder / "test.parquet", folder / "run"], **QUICK)
    assert found.images == 9
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)


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
