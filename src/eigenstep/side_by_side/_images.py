"""The images that all inputs are compared on."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eigenstep.prediction import read_predicted
from eigenstep.prediction._images import some_images
from eigenstep.side_by_side._inputs import Input
from eigenstep.side_by_side._rows import Rows, described_data
from eigenstep.spectrum import read_record
from eigenstep.training import TrainConfig, load_config, load_images
from eigenstep.training.data import image_hashes


@dataclass(frozen=True, eq=False)
class CommonImages:
    """Images by name, and their pixels where a run has to embed them.

    hashes : (n,) names of the images, in the order in which they are compared; None where nothing names them
    count : n
    stored : uint8 (n, 3, S, S), or None where no run is among the inputs
    """

    hashes: np.ndarray | None
    count: int
    stored: Tensor | None


def common_images(
    inputs: Sequence[Input], files: dict[str, Rows], data: str | None, split: str | None, count: int
) -> CommonImages:
    """Find the images that every input can be compared on.

    What predictions and files hold decides; runs can embed any image. Without either, `count` images spread
    over `data` and its `split`, or over what the first run was trained on.

    Parameters
    ----------
    files : the rows of each file among the inputs, by name

    Raises ValueError if predictions and files are of different images, or the runs cannot be given theirs.
    """
    fixed = {each.name: _hashes_of(each, files) for each in inputs if each.kind != "run"}
    runs = [each for each in inputs if each.kind == "run"]
    named = {name: hashes for name, hashes in fixed.items() if hashes is not None}
    lengths = {name: len(files[name].values) for name in fixed if name in files and name not in named}
    if not named and not lengths:
        stored = some_images(_of_data(_config(runs[0]), data, split), count)
        return CommonImages(image_hashes(stored), len(stored), stored)
    wanted = _smallest(named) if named else None
    size = len(wanted) if wanted is not None else next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != size:
            raise ValueError(
                f"expected embeddings of the same images, got {length} rows in {name}, which names no images,"
                f" for {size} images"
            )
    if not runs:
        return CommonImages(wanted, size, None)
    return CommonImages(wanted, size, _pixels(inputs, runs, data, split, wanted, size))


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
    """The pixels of the images: from a prediction, else from a data set that has all of them."""
    predictions = [each for each in inputs if each.kind == "prediction"]
    for each in predictions if wanted is not None else []:
        thumbnails = read_record(each.path).probe
        if thumbnails is not None:
            found = _chosen(torch.from_numpy(thumbnails).permute(0, 3, 1, 2).contiguous(), wanted)
            if found is not None:
                return found
    told = [described_data(each.path) for each in inputs if each.kind == "file"]
    if data is None:
        data, split = next((each for each in told if each), (None, split))
    config = _of_data(_config(runs[0]), data, split)
    stored = load_images(config.data, config.images, config.seed).images
    if wanted is None:
        if len(stored) != size:
            raise ValueError(
                f"expected as many images as the files have rows, {size}, got {len(stored)} in"
                f" {config.data}; give the images that they are of by --data"
            )
        return stored
    chosen = _chosen(stored, wanted)
    if chosen is None:
        raise ValueError(
            f"{config.data} does not hold the {size} images that are compared; give the images that"
            " the embeddings are of by --data"
        )
    return chosen


def _chosen(stored: Tensor, wanted: np.ndarray | None) -> Tensor | None:
    place = {name: row for row, name in enumerate(image_hashes(stored).tolist())}
    names = [] if wanted is None else wanted.tolist()
    if not place.keys() >= set(names):
        return None
    return stored[torch.tensor([place[name] for name in names])]


def _config(run: Input) -> TrainConfig:
    return load_config(run.path / "config.yaml")


def _of_data(config: TrainConfig, data: str | None, split: str | None) -> TrainConfig:
    """The run's configuration with other images than its own."""
    images = dataclasses.replace(config.images, split=split or config.images.split)
    if data not in (None, config.data):  # its columns have names of their own
        images = dataclasses.replace(images, column=None, label=None, limit=None)
    return dataclasses.replace(config, data=data or config.data, images=images)
