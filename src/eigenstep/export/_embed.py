"""Features and embeddings of every image of a data set, in order, as a file."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eigenstep.encoders import TrainedEncoder, encode, load_encoder
from eigenstep.export._columns import Columns
from eigenstep.export._form import Rows, form_for
from eigenstep.export._maps import MapName
from eigenstep.export._mode_directions import ModeDirections, network_name
from eigenstep.export._thumbnails import thumbnails as small_pictures
from eigenstep.export._viewers import ViewerName
from eigenstep.images import Labels, image_hashes, open_in_order
from eigenstep.machine import find_device


@dataclass(frozen=True)
class Embedded:
    """What `embed` wrote.

    Attributes
    ----------
    count : int
        Rows in the file.
    broken : list[str]
        Names of the images that could not be decoded, and have no row, and what damaged files have lost.
    labelled : bool
        Whether there is a column of labels.
    """

    count: int
    broken: list[str]
    labelled: bool


def embed(
    run: str | Path,
    out: str | Path,
    data: str | None = None,
    checkpoint: str | int = "last",
    *,
    viewer: ViewerName | None = None,
    thumbnails: int | None = None,
    map_name: MapName | None = None,
    neighbours: int | None = None,
    modes: str | Path | None = None,
    split: str | None = None,
    limit: int | None = None,
    broken: Literal["pass"] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Write what a run's encoder makes of each image of a data set, in the data set's order.

    The columns are `index`, the image's place in the data set; `image_hash`, a name for its content as the
    run stores it, by which comparisons tell images apart; `path`, its file, where it has one; `label`,
    where the data set has labels, and `class_name` where these have names; `features` and `embedding`,
    float32 vectors. With .parquet images are read, encoded and written a block at a time, so that neither
    they nor the file need fit into memory, and names of classes are in the file's metadata too. An .npz file
    has an array of each of these names, an .npy file the features alone.

    Parameters
    ----------
    data : str | None
        As `TrainConfig.data`; default: the data set that the run was trained on.
    checkpoint : str | int
        "last", "best" or the number of its step.
    viewer : ViewerName | None
        A program to look at embeddings with, see `VIEWERS`: `out` is a .parquet file, or a folder, as it
        opens them, with the thumbnails, map and neighbours that it needs.
    thumbnails : int | None
        A further column `image`: pictures as PNG files, of at most so many pixels a side.
    map_name : MapName | None
        Further columns `x`, `y` and `z`: the features along the axes along which they vary most
        ("principal"); or `x` and `y`, UMAP's layout ("umap"), which holds all features in memory.
    neighbours : int | None
        A further column `neighbours`: so many of the nearest rows by the features' cosine distance, see
        `nearest_rows`. The rows are written to an unnamed file beside `out` meanwhile.
    modes : str | Path | None
        The `modes.json` that `eigenstep modes RUN` wrote: how far each image lies along each mode is further
        columns, `mode_1` and so on, float32, and their names are in the file's description.
    split : str | None
        Default: that which the run was trained on.
    limit : int | None
        Use at most this many images.
    broken : Literal['pass'] | None
        Read damaged archives and tables as far as they go; default: as in the run's training.
    device : str
        Auto, cpu or cuda.
    progress : Callable[[int, int], None] | None
        Called with the number of images done and the number in all.

    Raises
    ------
    ValueError, FileNotFoundError
        In one line if there are no such images, none of them can be decoded, or the suffix is unknown;
        if the modes are those of another run, or of this one after other steps; if features are not finite
        that are to be placed on a map or compared; and what the viewer does not take.
    FileExistsError
        If `out` is there and `overwrite` is not given; and what `load_encoder` raises.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.training import TrainConfig, train
    >>> folder = tempfile.mkdtemp()
    >>> config = TrainConfig(steps=1, batch_size=8, threads=1, images=ImagesConfig(size=8, patches=8))
    >>> _ = train(config, f"{folder}/run")
    >>> embed(f"{folder}/run", f"{folder}/embeddings.parquet")
    Embedded(count=8, broken=[], labelled=False)
    """
    out, tell = Path(out), progress or (lambda *_: None)
    form = form_for(viewer, thumbnails, map_name, neighbours)
    form.check(out, overwrite)
    place = find_device(device)
    encoder = load_encoder(run, checkpoint)
    directions = None if modes is None else _directions(modes, encoder, run, out)
    encoder = encoder.to(place)
    config = encoder.config
    name = data or config.data
    images = dataclasses.replace(
        config.images,
        split=split or config.images.split,
        limit=limit,
        broken=broken or config.images.broken,
    )
    if name != config.data:  # its columns have names of their own
        images = dataclasses.replace(images, column=None, label=None)
    found = open_in_order(name, images, config.seed)
    description: dict[str, Any] = {
        "run": str(run),
        "checkpoint": encoder.checkpoint.name,
        "data": name,
        "split": images.split,
        "class_names": found.labels.names if found.labels else None,
    }
    if directions is not None:
        description["modes"] = {f"mode_{k}": name for k, name in enumerate(directions.names, 1)}
    count = 0
    left_out: list[str] = []

    def write(rows: Rows) -> None:
        nonlocal count, left_out
        for block in found.blocks:
            left_out += block.broken
            count += len(block.images)
            if len(block.images):
                features, embedding = (part.cpu().numpy() for part in encode(encoder, block.images, config))
                scores = shown = None
                if directions is not None:
                    scores = directions.scores(embedding if directions.what == "embedding" else features)
                if form.thumbnails is not None:
                    shown = small_pictures(block.images, form.thumbnails, images.show)
                rows.write(
                    Columns(
                        block.index,
                        image_hashes(block.images),
                        block.paths,
                        block.labels,
                        features,
                        embedding,
                        scores,
                        _class_names(block.labels, found.labels),
                        shown,
                    )
                )
            tell(block.end, found.count)

    form.write(out, write, description, found.count, overwrite=overwrite, device=place, progress=progress)
    return Embedded(count, left_out, found.labels is not None)


def _class_names(numbers: NDArray[np.int64] | None, labels: Labels | None) -> list[str | None] | None:
    if numbers is None or labels is None or labels.names is None:
        return None
    return [labels.names[number] if number >= 0 else None for number in numbers.tolist()]


def _directions(modes: str | Path, encoder: TrainedEncoder, run: str | Path, out: Path) -> ModeDirections:
    """Those of the encoder; ValueError for those of another one, or a file that has no place for scores."""
    if out.suffix == ".npy":
        raise ValueError(f"expected a .parquet or .npz file for scores of modes, got {out}: features alone")
    found = ModeDirections.load(modes)
    if found.network != network_name(encoder):
        raise ValueError(
            f"{modes}: expected modes of {run} at {encoder.checkpoint.name}, got those of {found.source}; run"
            f" eigenstep modes {run}, or choose another --checkpoint"
        )
    return found
