"""Two short runs on the same patches, a prediction of one, and files of embeddings."""

import dataclasses
from pathlib import Path

import pytest

from eigenstep.export import embed
from eigenstep.prediction import config_of_run, predict
from eigenstep.training import (
    CheckpointConfig,
    ImagesConfig,
    ProjectorConfig,
    RecordConfig,
    TrainConfig,
    train,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Folders `bt` and `simclr` (steps 3 and 6, d = 4, 60 patches), `foreseen`, `bt.npz` and `bt.parquet`."""
    folder = tmp_path_factory.mktemp("made")
    config = TrainConfig(
        steps=6,
        batch_size=20,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=8, patches=60),
        projector=ProjectorConfig(dim=4),
        record=RecordConfig(every=1, probe=20),
        checkpoint=CheckpointConfig(every=3),
    )
    train(config, folder / "bt")
    train(dataclasses.replace(config, loss="simclr"), folder / "simclr")
    foreseen = dataclasses.replace(config_of_run(folder / "bt"), kernel="rbf", pairs=30)
    predict(foreseen, folder / "foreseen", run=folder / "bt")
    embed(folder / "bt", folder / "bt.npz")
    embed(folder / "bt", folder / "bt.parquet")
    return folder
