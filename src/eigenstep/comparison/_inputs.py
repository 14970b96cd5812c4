"""What may be compared: runs at a checkpoint, predictions and files of embeddings, as they are named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eigenstep.encoders import find_checkpoint
from eigenstep.prediction import is_prediction
from eigenstep.record import is_run

FILES = (".npz", ".npy", ".parquet")


@dataclass(frozen=True)
class Input:
    """One of the inputs of a comparison.

    name : as it was given
    path : the folder or file
    kind : of what
    at : a run's checkpoint: init, last, best or a step; None for all that it has, the last one as a whole
    """

    name: str
    path: Path
    kind: Literal["run", "prediction", "file"]
    at: str | None = None


def parse_input(name: str | Path) -> Input:
    """The input that a name stands for: PATH, or RUN@CHECKPOINT.

    Raises FileNotFoundError if there is nothing there, or no checkpoint; ValueError if it is nothing that can
    be compared.
    """
    text = str(name)
    path, _, at = (text, "", "") if Path(text).exists() else text.rpartition("@")
    place = Path(path or text)
    if not place.exists():
        raise FileNotFoundError(
            f"there is no {text}: expected a run (RUN or RUN@STEP), a prediction or a file"
        )
    if place.is_file():
        if place.suffix not in FILES:
            raise ValueError(f"{place}: expected a file of embeddings, {', '.join(FILES)}")
        kind: Literal["run", "prediction", "file"] = "file"
    elif is_prediction(place):
        kind = "prediction"
    elif is_run(place) and (place / "config.yaml").is_file():
        kind = "run"
    else:
        raise ValueError(f"{place}: expected a run folder, a prediction or a file of embeddings")
    if at and kind != "run":
        raise ValueError(f"{text}: only a run has checkpoints to choose from, {place} is a {kind}")
    chosen = {"": None, "final": "last"}.get(at, at)
    if kind == "run" and chosen != "init":
        find_checkpoint(place, chosen or "last")  # raises where there is none
    return Input(text, place, kind, chosen)
