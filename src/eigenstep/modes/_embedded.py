"""Embeddings of images: of a run at each of its snapshots, and of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.embeddings import open_rows
from eigenstep.encoders import (
    as_stored,
    channels_of,
    encode,
    find_checkpoint,
    find_checkpoints,
    initial_encoder,
    load_encoder,
)
from eigenstep.export import network_name
from eigenstep.images import ImagesConfig
from eigenstep.images.stored import spread
from eigenstep.machine import find_device
from eigenstep.modes._chosen_images import ChosenImages, choose_images
from eigenstep.modes._learned_by import learned_by
from eigenstep.modes._reading import check_reading_of_file
from eigenstep.record import read_record
from eigenstep.training import load_config

What = Literal["embedding", "features"]

# Snapshots of a run at most, spread over those that it has.
SNAPSHOTS = 12


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run's embeddings (n, d) of the chosen images after some steps."""

    step: int
    values: NDArray[np.float32]
    learned: int | None = None
    """Modes that had risen by then; None where nothing tells."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Images, and their embeddings at one moment or several, the last one of which is what is named."""

    chosen: ChosenImages
    snapshots: list[Snapshot]
    beside: NDArray[np.float32] | None = None
    network: str | None = None
    """Of the last snapshot, see `eigenstep.export.network_name`."""
    what: What = "embedding"


def embed_run(
    run: Path,
    chosen: ChosenImages,
    beside: Path | None,
    what: What,
    device: str,
    tell: Callable[[str], None],
) -> Embedded:
    """A run's embeddings, or its features, at its start and its checkpoints; of a run beside at its last.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line where there is no checkpoint, or a run beside takes other images.
    """
    config = load_config(run / "config.yaml")
    find_checkpoint(run, "last")  # raises where there is none
    steps = [int(path.name.rpartition("_")[2]) for path in find_checkpoints(run / "checkpoints")]
    steps = [
        steps[place] for place in dict.fromkeys([*spread(SNAPSHOTS, len(steps)).tolist(), len(steps) - 1])
    ]
    place = find_device(device)
    learned = learned_by(read_record(run)) if what == "embedding" else lambda step: None
    snapshots, network = [], None
    if 0 not in steps and learned(0) != 0:
        try:
            start = initial_encoder(config).eval().to(place)
            snapshots.append(Snapshot(0, _values(start, chosen, config, what)))
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            notes = [*chosen.notes, f"the network before its first step is left out: {reason}"]
            chosen = dataclasses.replace(chosen, notes=notes)
    for step in steps:
        tell(f"embedding {len(chosen.images):,} images by {run} at step {step:,}")
        encoder = load_encoder(run, step)
        network = network_name(encoder) if step == steps[-1] else None
        encoder = encoder.to(place)
        snapshots.append(Snapshot(step, _values(encoder, chosen, config, what), learned(step)))
    other = None
    if beside is not None:
        theirs = load_config(beside / "config.yaml")
        if channels_of(theirs) != channels_of(config):
            raise ValueError(
                f"--beside: expected a run on images of {channels_of(config)} channels, {beside} takes"
                f" {channels_of(theirs)}"
            )
        tell(f"embedding them by {beside}")
        other = _values(load_encoder(beside).to(place), chosen, theirs, what)
    return Embedded(chosen, snapshots, other, network, what)


def _values(encoder: Any, chosen: ChosenImages, config: Any, what: What) -> NDArray[np.float32]:
    features, embeddings = encode(encoder, as_stored(torch.from_numpy(chosen.images), config), config)
    values: NDArray[np.float32] = (features if what == "features" else embeddings).cpu().float().numpy()
    return values


def embed_file(
    path: Path,
    column: str | None,
    data: str | None,
    read: ImagesConfig,
    count: int,
    labels: bool | None,
    seed: int,
    tell: Callable[[str], None],
) -> Embedded:
    """A file's embeddings, with the images that its rows are of.

    Row i is of the i-th image of the data set; a file of `eigenstep embed` says which.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line where rows and images do not match, or the file cannot be read.
    """
    rows = open_rows(path, column)
    told = rows.description
    data = data or told.get("data")
    if data is None:
        raise ValueError(
            f"{path}: expected the images that its rows are of, got none; name them with --data DATA"
        )
    check_reading_of_file(read, told, data, path)
    index = rows.content.arrays.get("index") if told else None
    places = np.arange(rows.count) if index is None else np.asarray(index.whole()).astype(np.int64)
    among = spread(count, len(places))
    chosen = choose_images(data, read, count, labels=labels, places=places[among], seed=seed, tell=tell)
    if index is None and chosen.total != rows.count:
        raise ValueError(
            f"expected a row for each of the {chosen.total:,} images of {data} ({read.split}), got"
            f" {rows.count:,} rows in {path}; name the images that they are of with --data and --images.split"
        )
    row_of = {int(place): int(row) for place, row in zip(places[among], among, strict=True)}
    kept = np.array([row_of[int(place)] for place in chosen.places])
    values = rows.whole().float().numpy()[kept]
    if chosen.labels is None and labels is not False and "label" in rows.content.arrays:
        numbers, given = rows.labels()
        if given[kept].all() and len(np.unique(numbers[kept])) > 1:
            classes, codes = np.unique(numbers[kept], return_inverse=True)
            chosen = dataclasses.replace(chosen, labels=codes, class_names=[str(each) for each in classes])
    return Embedded(chosen, [Snapshot(0, values)])
