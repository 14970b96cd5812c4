"""What may be compared: runs at a checkpoint, predictions and files of embeddings, as they are named."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eigenstep.export import find_checkpoint
from eigenstep.prediction import is_prediction
from eigenstep.spectrum import is_run

FILES = (".npz", ".npy", ".parquet")
What = Literal["embedding", "features"]


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


@dataclass(frozen=True, eq=False)
class Rows:
    """Embeddings (n, d) of a file, and what names their images (n,), or None if the file does not tell."""

    values: NDArray[np.float64]
    image_hash: NDArray[np.str_] | None


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


def read_rows(path: Path, what: What) -> Rows:
    """Read a file that `eigenstep embed` or anyone else has written.

    An .npy file is one array; .npz and .parquet have arrays or columns `embedding` and `features`, and may
    have `image_hash`. Raises ValueError where what is asked for is not there.
    """
    if path.suffix == ".npy":
        return Rows(np.load(path, allow_pickle=False), None)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files if name in (what, "image_hash")}
            known = list(arrays.files)
    else:
        import pyarrow.parquet as parquet

        known = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=[name for name in known if name in (what, "image_hash")])
        found = {name: _array(table[name]) for name in table.column_names}
    if what not in found:
        raise ValueError(f"{path} has no {what}; it has {', '.join(known)}")
    return Rows(found[what], found.get("image_hash"))


def described_data(path: Path) -> tuple[str, str] | None:
    """The data set and the split that `eigenstep embed` wrote a file of, or None if it does not tell."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            text = str(arrays["description"]) if "description" in arrays.files else "{}"
    elif path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        text = ((parquet.read_schema(path).metadata or {}).get(b"eigenstep") or b"{}").decode()
    else:
        return None
    told = json.loads(text)
    return (told["data"], told["split"]) if {"data", "split"} <= set(told) else None


def _array(column: Any) -> NDArray[Any]:
    joined = column.combine_chunks()
    if hasattr(joined, "flatten") and hasattr(joined.type, "list_size"):
        return joined.flatten().to_numpy().reshape(len(joined), joined.type.list_size)
    return np.array(joined.to_pylist())
