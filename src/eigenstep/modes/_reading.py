"""How images are read unless it is said otherwise: those of a run, and of its embeddings, as it does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from eigenstep.encoders import channels_of
from eigenstep.images import ImagesConfig
from eigenstep.training import TrainConfig, load_config


def reading_of_run(config: TrainConfig, data: str | None = None) -> ImagesConfig:
    """How a run reads its images, or others that it is to embed: all of them, in its channels."""
    read = dataclasses.replace(config.images, channels=channels_of(config), limit=None)
    if data not in (None, config.data):  # its columns have names of their own
        read = dataclasses.replace(read, column=None, label=None)
    return read


def reading_of_file(told: dict[str, Any], data: str | None = None) -> ImagesConfig:
    """How the run read its images that a file of `eigenstep embed` names, while its folder is there.

    Parameters
    ----------
    told : dict[str, Any]
        The file's description.
    data : str | None
        Images that its rows are said to be of.
    """
    if not told or data not in (None, told.get("data")):
        return ImagesConfig()
    described = Path(str(told.get("run", ""))) / "config.yaml"
    read = ImagesConfig()
    if described.is_file():
        read = reading_of_run(load_config(described), told.get("data"))
    return dataclasses.replace(read, split=told.get("split") or read.split)


def check_reading_of_run(read: ImagesConfig, config: TrainConfig, run: str | Path) -> ImagesConfig:
    """The reading with the run's channels.

    Raises
    ------
    ValueError
        For another size or number of channels than the network was trained on.
    """
    own = reading_of_run(config)
    if read.size != own.size or read.channels not in (None, own.channels):
        raise ValueError(
            f"--images.size and --images.channels have no effect: {run} is a run, whose network takes"
            f" {own.size} pixels and {own.channels} channel{'s' * (own.channels != 1)}; leave them out"
        )
    return dataclasses.replace(read, channels=own.channels)


def check_reading_of_file(read: ImagesConfig, told: dict[str, Any], data: str, path: str | Path) -> None:
    """Raise ValueError if the split is not the one to which the file's rows belong."""
    split = told.get("split")
    if split and told.get("data") == data and read.split != split:
        raise ValueError(
            f"--images.split: expected {split}, which the rows of {path} are of, got {read.split}; leave it"
            " out"
        )
