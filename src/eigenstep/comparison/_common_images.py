"""The images that all inputs of a comparison are compared on."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.comparison._inputs import EMBED, Input, config_of
from eigenstep.comparison._pretrained import own_size
from eigenstep.embeddings import Rows
from eigenstep.encoders import channels_of
from eigenstep.images import ImagesConfig, find_source, image_hashes, load_images, load_spread
from eigenstep.prediction import read_predicted
from eigenstep.record import read_record
from eigenstep.training import TrainConfig

IMAGES = 512


@dataclass(frozen=True, eq=False)
class Pixels:
    """The images that runs embed.

    Attributes
    ----------
    stored : Tensor
        (n, C, S, S) as the first run stores them.
    config : TrainConfig | None
        What they were read by; None of a prediction's thumbnails.
    read : Callable[[ImagesConfig], Tensor] | None
        Reads the same images once more, with other channels or another range.
    """

    stored: Tensor
    config: TrainConfig | None = None
    read: Callable[[ImagesConfig], Tensor] | None = None

    def of(self, config: TrainConfig) -> Tensor:
        """The images as a run of this configuration reads them.

        Of its own data set it takes its own channels and range. Of another one there are no such, and it is
        given the values that the first run has.
        """
        if self.config is None or self.read is None or config.data != self.config.data:
            return self.stored
        images = dataclasses.replace(
            self.config.images,
            channels=channels_of(config),
            take=config.images.take,
            range=config.images.range,
        )
        known = dataclasses.replace(self.config.images, channels=channels_of(self.config))
        if images == known:
            return self.stored
        stored = self.read(images)
        if len(stored) != len(self.stored):
            raise ValueError(
                f"{config.data}: {len(self.stored)} images can be read as one of the runs reads them, and"
                f" {len(stored)} as another; compare runs with the same --images.take and --images.channels"
            )
        return stored


@dataclass(frozen=True, eq=False)
class CommonImages:
    """Images by name, and their pixels where a run has to embed them.

    Attributes
    ----------
    hashes : NDArray[np.str_] | None
        (n,) names of the images, in the order in which they are compared; None where nothing names them.
    count : int
        n.
    pixels : Pixels | None
        What runs embed; None where no run is among the inputs.
    notes : list[str]
        Which of what was asked for had no effect.
    """

    hashes: NDArray[np.str_] | None
    count: int
    pixels: Pixels | None
    notes: list[str] = field(default_factory=list)


def common_images(
    inputs: Sequence[Input], files: Mapping[str, Rows], data: str | None, split: str | None, count: int | None
) -> CommonImages:
    """Find the images that every input can be compared on.

    What predictions and files hold decides which; runs can embed any image, and take the pixels of those from
    `data` and its `split`, else from a prediction or from the data that a file is of. Without predictions and
    files, `count` images spread over `data` and its `split`, or over what the first run was trained on.

    Parameters
    ----------
    files : Mapping[str, Rows]
        The rows of each file among the inputs, by name.
    count : int | None
        Default: 512.

    Raises
    ------
    ValueError
        If predictions and files are of different images, or the runs cannot be given theirs.
    """
    if count is not None and count < 2:
        raise ValueError(f"--images is too small: expected at least 2, got {count}")
    fixed = {each.name: _hashes_of(each, files) for each in inputs if each.kind not in EMBED}
    runs = _embedding(inputs)
    named = {name: hashes for name, hashes in fixed.items() if hashes is not None}
    lengths = {name: files[name].count for name in fixed if name in files and name not in named}
    if not named and not lengths:
        _check_data(runs[0], data)
        config = _of_data(config_of(runs[0]), data, split)
        read = partial(_spread, config, IMAGES if count is None else count)
        stored = read(config.images)
        return CommonImages(image_hashes(stored), len(stored), Pixels(stored, config, read))
    wanted = _smallest(named) if named else None
    size = len(wanted) if wanted is not None else next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != size:
            raise ValueError(
                f"expected embeddings of the same images, got {length} rows in {name}, which names no images,"
                f" for {size} images"
            )
    pixels = _pixels(inputs, files, data, split, wanted, size) if runs else None
    idle = {"--images": count} | ({} if runs else {"--data": data, "--split": split})
    notes = [
        f"{option} had no effect: predictions and files say which images are compared"
        for option, value in idle.items()
        if value is not None
    ]
    return CommonImages(wanted, size, pixels, notes)


def _embedding(inputs: Sequence[Input]) -> list[Input]:
    """The inputs that embed images: runs, which know their data, then encoders, the largest images first."""
    runs = [each for each in inputs if each.kind == "run"]
    encoders = [each for each in inputs if each.kind == "encoder"]
    return runs + sorted(encoders, key=lambda each: -own_size(each.at or ""))


def _check_data(given: Input, data: str | None) -> None:
    """Raise ValueError where an encoder is to embed images, and nothing tells which."""
    if given.kind == "encoder" and data is None:
        raise ValueError(f"expected --data, the images that {given.name} embeds: no other input tells any")


def _smallest(named: dict[str, NDArray[np.str_]]) -> NDArray[np.str_]:
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


def _hashes_of(given: Input, files: Mapping[str, Rows]) -> NDArray[np.str_] | None:
    if given.kind == "prediction":
        return read_predicted(given.path).image_hash
    return files[given.name].image_hash


def _pixels(
    inputs: Sequence[Input],
    files: Mapping[str, Rows],
    data: str | None,
    split: str | None,
    wanted: NDArray[np.str_] | None,
    size: int,
) -> Pixels:
    """The pixels of the images: from the data that are named, else from a prediction or a file's data."""
    named = data is not None or split is not None
    predictions = [each for each in inputs if each.kind == "prediction"]
    for each in predictions if not named and wanted is not None else []:
        thumbnails = read_record(each.path).probe
        if thumbnails is not None:
            shown = torch.from_numpy(thumbnails).permute(0, 3, 1, 2).contiguous()
            rows = _chosen(shown, wanted)
            if rows is not None:
                return Pixels(shown[rows])
    described = [rows.description for rows in files.values() if rows.description]
    of_file = next((each for each in described if data in (None, each["data"])), None)
    if of_file is not None:
        data = of_file["data"]
        # A file may name a split of data that have none.
        split = split or (of_file["split"] if _has_splits(of_file["data"]) else None)
    run = _embedding(inputs)[0]
    _check_data(run, data)
    config = _of_data(config_of(run), data, split)
    stored = _whole(config, config.images)
    if wanted is None:
        if len(stored) != size:
            raise ValueError(
                f"expected as many images as the files have rows, {size}, got {len(stored)} in"
                f" {_words(config)}; give the images that they are of with --data and --split"
            )
        return Pixels(stored, config, partial(_whole, config))
    rows = _chosen(stored, wanted)
    if rows is None:
        raise ValueError(
            f"{_words(config)} does not hold the {size} images that are compared; give the images that"
            " the embeddings are of with --data and --split"
        )
    return Pixels(stored[rows], config, lambda images: _whole(config, images)[rows])


def _spread(config: TrainConfig, count: int, images: ImagesConfig) -> Tensor:
    return load_spread(config.data, images, count, config.seed)


def _whole(config: TrainConfig, images: ImagesConfig) -> Tensor:
    return load_images(config.data, images, config.seed).images


def _chosen(stored: Tensor, wanted: NDArray[np.str_] | None) -> Tensor | None:
    """Which rows the wanted images are, (n,); None if one of them is missing."""
    place = {name: row for row, name in enumerate(image_hashes(stored).tolist())}
    names = [] if wanted is None else wanted.tolist()
    if not place.keys() >= set(names):
        return None
    return torch.tensor([place[name] for name in names])


def _words(config: TrainConfig) -> str:
    return f"{config.data} ({config.images.split})" if _has_splits(config.data) else config.data


def _has_splits(data: str) -> bool:
    return "splits" not in find_source(data).lacks


def _of_data(config: TrainConfig, data: str | None, split: str | None) -> TrainConfig:
    """The run's configuration with other images than its own.

    Raises
    ------
    ValueError
        For a split of images that have none.
    """
    if split and not _has_splits(data or config.data):
        raise ValueError(f"expected no --split of {data or config.data}, which have none, got {split}")
    images = dataclasses.replace(config.images, split=split or config.images.split)
    if data not in (None, config.data):  # its columns have names of their own
        images = dataclasses.replace(images, column=None, label=None, limit=None)
    return dataclasses.replace(config, data=data or config.data, images=images)
