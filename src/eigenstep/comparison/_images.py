"""The images that all inputs are compared on."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from eigenstep.comparison._inputs import Input
from eigenstep.comparison._rows import Rows, described_data
from eigenstep.images import find_source, image_hashes, load_images, load_spread
from eigenstep.prediction import read_predicted
from eigenstep.record import read_record
from eigenstep.training import TrainConfig, load_config

IMAGES = 512


@dataclass(frozen=True, eq=False)
class CommonImages:
    """Images by name, and their pixels where a run has to embed them.

    hashes : (n,) names of the images, in the order in which they are compared; None where nothing names them
    count : n
    stored : uint8 (n, 3, S, S), or None where no run is among the inputs
    notes : which of what was asked for had no effect
    """

    hashes: np.ndarray | None
    count: int
    stored: Tensor | None
    notes: list[str] = field(default_factory=list)


def common_images(
    inputs: Sequence[Input], files: dict[str, Rows], data: str | None, split: str | None, count: int | None
) -> CommonImages:
    """Find the images that every input can be compared on.

    What predictions and files hold decides which; runs can embed any image, and take the pixels of those from
    `data` and its `split`, else from a prediction or from the data that a file is of. Without predictions and
    files, `count` images spread over `data` and its `split`, or over what the first run was trained on.

    Parameters
    ----------
    files : the rows of each file among the inputs, by name
    count : default: 512

    Raises ValueError if predictions and files are of different images, or the runs cannot be given theirs.
    """
    if count is not None and count < 2:
        raise ValueError(f"--images is too small: expected at least 2, got {count}")
    fixed = {each.name: _hashes_of(each, files) for each in inputs if each.kind != "run"}
    runs = [each for each in inputs if each.kind == "run"]
    named = {name: hashes for name, hashes in fixed.items() if hashes is not None}
    lengths = {name: len(files[name].values) for name in fixed if name in files and name not in named}
    if not named and not lengths:
        config = _of_data(_config(runs[0]), data, split)
        stored = load_spread(config.data, config.images, IMAGES if count is None else count, config.seed)
        return CommonImages(image_hashes(stored), len(stored), stored)
    wanted = _smallest(named) if named else None
    size = len(wanted) if wanted is not None else next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != size:
            raise ValueError(
                f"expected embeddings of the same images, got {length} rows in {name}, which names no images,"
                f" for {size} images"
            )
    pixels = _pixels(inputs, runs, data, split, wanted, size) if runs else None
    idle = {"--images": count} | ({} if runs else {"--data": data, "--split": split})
    notes = [
        f"{option} had no effect: predictions and files say which images are compared"
        for option, value in idle.items()
        if value is not None
    ]
    return CommonImages(wanted, size, pixels, notes)


def _smallest(named: dict[str, np.ndarray]) -> np.ndarray:
    """The smallest set of images, which all the others must hold."""
    first = min(named, key=lambda name: len(named[name]))
    for name, hashes in named.items():
        shared = np.isin(named[first], hashes)
        if not shared.all():
            raise ValueError(
                f"expected embeddings of the same images, got {len(hashes)} in {name} and"
                f" {len(named[first])} in {first}, of which {int(shared.sum())} are the same; embed one set"
                " of images, stored at one size, for both"
            )
    return named[first]


def _hashes_of(given: Input, files: dict[str, Rows]) -> np.ndarray | None:
    if given.kind == "prediction":
        return read_predicted(given.path).image_hash
    return files[given.name].image_hash


def _pixels(
    inputs: Sequence[Input],
    runs: Sequence[Input],
    data: str | None,
    split: str | None,
    wanted: np.ndarray | None,
    size: int,
) -> Tensor:
    """The pixels of the images: from the data that are named, else from a prediction or a file's data."""
    named = data is not None or split is not None
    predictions = [each for each in inputs if each.kind == "prediction"]
    for each in predictions if not named and wanted is not None else []:
        thumbnails = read_record(each.path).probe
        if thumbnails is not None:
            found = _chosen(torch.from_numpy(thumbnails).permute(0, 3, 1, 2).contiguous(), wanted)
            if found is not None:
                return found
    described = [described_data(each.path) for each in inputs if each.kind == "file"]
    of_file = next((each for each in described if each and data in (None, each[0])), None)
    if of_file is not None:
        data = of_file[0]
        split = split or (of_file[1] if _has_splits(data) else None)  # a file may name one nevertheless
    config = _of_data(_config(runs[0]), data, split)
    stored = load_images(config.data, config.images, config.seed).images
    if wanted is None:
        if len(stored) != size:
            raise ValueError(
                f"expected as many images as the files have rows, {size}, got {len(stored)} in"
                f" {_words(config)}; give the images that they are of by --data and --split"
            )
        return stored
    chosen = _chosen(stored, wanted)
    if chosen is None:
        raise ValueError(
            f"{_words(config)} does not hold the {size} images that are compared; give the images that"
            " the embeddings are of by --data and --split"
        )
    return chosen


def _chosen(stored: Tensor, wanted: np.ndarray | None) -> Tensor | None:
    place = {name: row for row, name in enumerate(image_hashes(stored).tolist())}
    names = [] if wanted is None else wanted.tolist()
    if not place.keys() >= set(names):
        return None
    return stored[torch.tensor([place[name] for name in names])]


def _words(config: TrainConfig) -> str:
    return f"{config.data} ({config.images.split})" if _has_splits(config.data) else config.data


def _has_splits(data: str) -> bool:
    return "splits" not in find_source(data).lacks


def _config(run: Input) -> TrainConfig:
    return load_config(run.path / "config.yaml")


def _of_data(config: TrainConfig, data: str | None, split: str | None) -> TrainConfig:
    """The run's configuration with other images than its own.

    Raises ValueError for a split of images that have none.
    """
    if split and not _has_splits(data or config.data):
        raise ValueError(f"expected no --split of {data or config.data}, which have none, got {split}")
    images = dataclasses.replace(config.images, split=split or config.images.split)
    if data not in (None, config.data):  # its columns have names of their own
        images = dataclasses.replace(images, column=None, label=None, limit=None)
    return dataclasses.replace(config, data=data or config.data, images=images)
