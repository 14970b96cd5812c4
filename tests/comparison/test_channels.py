"""Runs on images of other than three channels side by side."""

import numpy as np
import pytest
import tifffile
import torch

from eigenstep.comparison import compare, compare_embeddings
from eigenstep.export import embed
from eigenstep.training import ImagesConfig, ProjectorConfig, TrainConfig, train
from eigenstep.views import ViewsConfig

QUICK = {"resamples": 2, "neighbours": 2}


@pytest.fixture
def run_of(write_run, monkeypatch):
    """`run_of(5, "name")`: a run on images of 16 bits in so many channels, of which 40 are found."""

    def write(channels, name):
        found = np.random.default_rng(0).integers(65536, size=(40, channels, 20, 20)).astype(np.uint16)
        monkeypatch.setattr(
            "eigenstep.comparison._common_images.load_spread", lambda *_: torch.from_numpy(found)
        )
        images = ImagesConfig(size=16, stored_size=20, patches=40, channels=channels)
        views = ViewsConfig(normalize="data", mean=(0.5,) * channels, std=(0.3,) * channels)
        run = write_run(name=name, images=images, views=views.for_channels(channels))
        (run / "metrics.jsonl").touch()
        return run

    return write


def test_runs_on_five_channels_of_16_bits_are_compared(run_of):
    found = compare([run_of(5, "first"), run_of(5, "second")], **QUICK)
    assert found.images == 40
    assert found.pairs[0].whole["cka"].value == pytest.approx(1, abs=1e-6)


def test_runs_on_other_numbers_of_channels_are_not_compared(run_of):
    with pytest.raises(ValueError, match=r"first takes images of 5 channels, and those .* have 2") as refused:
        compare([run_of(5, "first"), run_of(2, "second")], **QUICK)
    assert "\n" not in str(refused.value)


@pytest.fixture
def trained_on(tmp_path):
    """`trained_on("name", take=(3,))`: a run of two steps on 24 files of three channels and 12 bits."""
    (tmp_path / "fields").mkdir()
    for number in range(24):
        values = np.random.default_rng(number).integers(0, 4096, (8, 8, 3), dtype=np.uint16)
        tifffile.imwrite(tmp_path / "fields" / f"{number:02}.tif", values, photometric="rgb")

    def run(name, **images):
        config = TrainConfig(
            data=str(tmp_path / "fields"),
            steps=2,
            batch_size=8,
            threads=1,
            images=ImagesConfig(size=8, **images),
            views=ViewsConfig(normalize="none"),  # which would undo a range
            projector=ProjectorConfig(hidden=(8,), dim=4, init_scale=1.0),
        )
        train(config, tmp_path / name)
        return tmp_path / name

    return run


@pytest.mark.filterwarnings("ignore:.*images looked at")
@pytest.mark.parametrize(
    ("one", "other"),
    [({}, {"range": (0, 4095)}), ({}, {"channels": 1}), ({"take": (1, 2)}, {"take": (3, 1)})],
)
def test_runs_on_the_same_data_read_it_by_their_own_channels_and_range(trained_on, tmp_path, one, other):
    runs = [trained_on("one", **one), trained_on("other", **other)]
    rows = []
    for run in runs:
        embed(run, tmp_path / f"{run.name}.npz")
        rows.append(np.load(tmp_path / f"{run.name}.npz")["embedding"])
    expected = compare_embeddings(*rows, **QUICK)
    for names in (runs, runs[::-1]):
        found = compare(names, **QUICK).pairs[0].whole
        assert found["cka"].value == pytest.approx(expected["cka"].value, rel=1e-4)
