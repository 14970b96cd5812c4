"""What may be compared, as it is named, and the images that all of it is compared on."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.embeddings import SUFFIXES, Rows, embeddings_suffix, open_rows
from eigenstep.encoders import find_checkpoint
from eigenstep.images import find_source, image_hashes, load_images, load_spread
from eigenstep.prediction import is_prediction, read_predicted
from eigenstep.record import SMALL_BYTES, check_bounded, is_run, read_record
from eigenstep.training import TrainConfig, load_config

What = Literal["embedding", "features"]
IMAGES = 512


@dataclass(frozen=True)
class Input:
    """One of the inputs of a comparison.

    Attributes
    ----------
    name : str
        As it was given.
    path : Path
        The folder or file.
    kind : Literal['run', 'prediction', 'file']
        Of what.
    at : str | None
        a run's checkpoint: init, last, best or a step; None for all that it has, the last one as a whole. Of
        a file the array or column, where it is named.
    """

    name: str
    path: Path
    kind: Literal["run", "prediction", "file"]
    at: str | None = None


def parse_input(name: str | Path) -> Input:
    """The input that a name stands for: PATH, RUN@CHECKPOINT or FILE@COLUMN.

    Raises
    ------
    FileNotFoundError
        If there is nothing there, or no checkpoint.
    ValueError
        If it is nothing that can be compared.
    """
    text = str(name)
    path, _, at = (text, "", "") if Path(text).exists() else text.rpartition("@")
    place = Path(path or text)
    if not place.exists():
        raise FileNotFoundError(
            f"there is no {text}: expected a run (RUN or RUN@STEP), a prediction or a file"
        )
    if place.is_file():
        if embeddings_suffix(place) is None:
            raise ValueError(f"{place}: expected a file of embeddings, {', '.join(SUFFIXES)}")
        kind: Literal["run", "prediction", "file"] = "file"
    elif is_prediction(place):
        kind = "prediction"
    elif is_run(place) and os.path.lexists(place / "config.yaml"):
        kind = "run"
    else:
        raise ValueError(f"{place}: expected a run folder, a prediction or a file of embeddings")
    if at and kind == "prediction":
        raise ValueError(f"{text}: only a run has checkpoints to choose from, {place} is a {kind}")
    if kind == "file":
        return Input(text, place, kind, at or None)
    chosen = {"": None, "final": "last"}.get(at, at)
    if kind == "run" and chosen != "init":
        find_checkpoint(place, chosen or "last")  # raises where there is none
    return Input(text, place, kind, chosen)


def open_file(given: Input, what: What) -> Rows:
    """The embeddings or features of a file, or the column that its name tells; none is read yet.

    Raises
    ------
    ValueError
        In one line that begins with the path, where the file cannot be read, what is asked for is not there
        or is no matrix of real numbers.
    """
    if given.at is not None:
        return open_rows(given.path, given.at)
    rows = open_rows(given.path, default=what)
    if rows.column not in (None, what) and rows.stored.named:  # one without a name is taken as it is
        known = ", ".join(map(str, rows.content.arrays))
        raise ValueError(
            f"{given.path} has no {what}; it has {known}; name another column as {given.path}@COLUMN"
        )
    return rows


@dataclass(frozen=True, eq=False)
class CommonImages:
    """Images by name, and their pixels where a run has to embed them.

    Attributes
    ----------
    hashes : NDArray[np.str_] | None
        (n,) names of the images, in the order in which they are compared; None where nothing names them.
    count : int
        n.
    stored : Tensor | None
        uint8 (n, 3, S, S), or None where no run is among the inputs.
    notes : list[str]
        Which of what was asked for had no effect.
    """

    hashes: NDArray[np.str_] | None
    count: int
    stored: Tensor | None
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
    fixed = {each.name: _hashes_of(each, files) for each in inputs if each.kind != "run"}
    runs = [each for each in inputs if each.kind == "run"]
    named = {name: hashes for name, hashes in fixed.items() if hashes is not None}
    lengths = {name: files[name].count for name in fixed if name in files and name not in named}
    if not named and not lengths:
        config = _of_data(config_of(runs[0]), data, split)
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
    pixels = _pixels(inputs, files, data, split, wanted, size) if runs else None
    idle = {"--images": count} | ({} if runs else {"--data": data, "--split": split})
    notes = [
        f"{option} had no effect: predictions and files say which images are compared"
        for option, value in idle.items()
        if value is not None
    ]
    return CommonImages(wanted, size, pixels, notes)


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
    described = [rows.description for rows in files.values() if rows.description]
    of_file = next((each for each in described if data in (None, each["data"])), None)
    if of_file is not None:
        data = of_file["data"]
        # A file may name a split of data that have none.
        split = split or (of_file["split"] if _has_splits(of_file["data"]) else None)
    run = next(each for each in inputs if each.kind == "run")
    config = _of_data(config_of(run), data, split)
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


def _chosen(stored: Tensor, wanted: NDArray[np.str_] | None) -> Tensor | None:
    place = {name: row for row, name in enumerate(image_hashes(stored).tolist())}
    names = [] if wanted is None else wanted.tolist()
    if not place.keys() >= set(names):
        return None
    return stored[torch.tensor([place[name] for name in names])]


def _words(config: TrainConfig) -> str:
    return f"{config.data} ({config.images.split})" if _has_splits(config.data) else config.data


def _has_splits(data: str) -> bool:
    return "splits" not in find_source(data).lacks


def config_of(run: Input) -> TrainConfig:
    """A run's configuration. Raises ValueError if its file is not a regular one in the run folder."""
    check_bounded(run.path / "config.yaml", SMALL_BYTES, run.path)
    return load_config(run.path / "config.yaml")


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
