"""What may be compared, as it is named."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eigenstep.comparison._pretrained import PREFIX, own_size, parse_pretrained
from eigenstep.embeddings import SUFFIXES, Rows, embeddings_suffix, open_rows
from eigenstep.encoders import find_checkpoint
from eigenstep.images import ImagesConfig
from eigenstep.prediction import is_prediction
from eigenstep.record import SMALL_BYTES, check_bounded, is_run
from eigenstep.training import TrainConfig, load_config

What = Literal["embedding", "features"]
Kind = Literal["run", "prediction", "file", "encoder"]
# What embeds any image.
EMBED = ("run", "encoder")


@dataclass(frozen=True)
class Input:
    """One of the inputs of a comparison.

    Attributes
    ----------
    name : str
        As it was given.
    path : Path
        The folder or file; of an encoder its file of weights, or the name of timm's own.
    kind : Literal['run', 'prediction', 'file', 'encoder']
        Of what.
    at : str | None
        a run's checkpoint: init, last, best or a step; None for all that it has, the last one as a whole. Of
        a file the array or column, where it is named; of an encoder the name of the model.

    Examples
    --------
    >>> Input("mine@300", Path("mine"), "run", "300").at
    '300'
    """

    name: str
    path: Path
    kind: Kind
    at: str | None = None


def parse_input(name: str | Path) -> Input:
    """The input that a name stands for: PATH, RUN@CHECKPOINT, FILE@COLUMN or timm:MODEL@FILE.

    Raises
    ------
    FileNotFoundError
        If there is nothing there, or no checkpoint.
    ValueError
        If it is nothing that can be compared.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.npy"
    >>> path.touch()
    >>> given = parse_input(f"{path}@features")
    >>> given.kind, given.at
    ('file', 'features')
    """
    text = str(name)
    if text.startswith(PREFIX) and not Path(text).exists():
        model, file = parse_pretrained(text)
        return Input(text, file or Path(model), "encoder", model)
    path, _, at = (text, "", "") if Path(text).exists() else text.rpartition("@")
    place = Path(path or text)
    if not place.exists():
        raise FileNotFoundError(
            f"there is no {text}: expected a run (RUN or RUN@STEP), a prediction, a file or timm:MODEL"
        )
    if place.is_file():
        if embeddings_suffix(place) is None:
            raise ValueError(f"{place}: expected a file of embeddings, {', '.join(SUFFIXES)}")
        kind: Kind = "file"
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


def config_of(run: Input) -> TrainConfig:
    """A run's configuration. Raises ValueError if its file is not a regular one in the run folder.

    Of an encoder it says how images are read: of the size that it was trained on.
    """
    if run.kind == "encoder":
        return TrainConfig(images=ImagesConfig(size=own_size(run.at or "")))
    check_bounded(run.path / "config.yaml", SMALL_BYTES, run.path)
    return load_config(run.path / "config.yaml")
