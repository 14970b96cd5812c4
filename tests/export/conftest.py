"""Run folders written by hand, and small labelled data sets."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from eigenstep.training import Encoder, ImagesConfig, ProjectorConfig, TrainConfig, build_encoder, dump_config
from eigenstep.views import ViewsConfig


@pytest.fixture(autouse=True, scope="session")
def _datasets_cache(tmp_path_factory):
    """What the datasets library prepares stays within the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture
def config() -> TrainConfig:
    """A configuration in which no number that tells how images go in is a default."""
    return TrainConfig(
        seed=3,
        images=ImagesConfig(size=16, stored_size=20, patches=40),
        views=ViewsConfig(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        projector=ProjectorConfig(hidden=(12,), dim=5, batch_norm=True),
    )


@pytest.fixture
def network() -> Callable[..., Encoder]:
    """`network(config, step)`: an encoder in evaluation mode, with weights and statistics for each step."""

    def build(config: TrainConfig, step: int) -> Encoder:
        torch.manual_seed(1000 + step)
        encoder = build_encoder(config.backbone, config.images.size, config.projector)
        with torch.no_grad():
            for _ in range(3):
                encoder(torch.randn(8, 3, config.images.size, config.images.size))
        return encoder.eval()

    return build


@pytest.fixture
def write_run(tmp_path, config, network) -> Callable[..., Path]:
    """`write_run(steps=(5, 10), best=5, backbone="resnet18")`: a run folder with such checkpoints."""

    def write(steps=(5, 10), best=None, name="run", **changes) -> Path:
        changed = dataclasses.replace(config, **changes)
        run = tmp_path / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "config.yaml").write_text(dump_config(changed))
        folders = [(f"step_{step:08d}", step) for step in steps]
        folders += [(f"best_{best:08d}", best)] if best is not None else []
        for folder, step in folders:
            encoder = network(changed, step)
            checkpoint = run / "checkpoints" / folder
            checkpoint.mkdir()
            save_file(encoder.backbone.state_dict(), checkpoint / "backbone.safetensors")
            save_file(encoder.projector.state_dict(), checkpoint / "projector.safetensors")
        return run

    return write


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory) -> Path:
    """Images in folders `train/CLASS` and `test/CLASS`: 3 dim colours under noise, 12 + 5 images each.

    One file of the training split is no image.
    """
    folder = tmp_path_factory.mktemp("labelled")
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 5)):
        for index, name in enumerate(("blue", "green", "red")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 200, (24, 18, 3))
                pixels[..., 2 - index] += 40
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{number:02d}.png")
    (folder / "train" / "green" / "05.png").write_text("no image")
    return folder
