"""A prediction on disk: a run folder that says that it is one, and the embeddings that were predicted."""

import io
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from eigenstep.prediction._moments import PredictedRow
from eigenstep.record import ASIDE, RecordWriter, atomic_folder
from eigenstep.training import free_folder

ENTRIES = (
    "config.yaml",
    "metrics.jsonl",
    "prediction.json",
    "predicted.npz",
    "report.html",
    "spectrum",
    "summary.json",
)


@dataclass(frozen=True, eq=False)
class PredictedEmbeddings:
    """`predicted.npz` of a prediction folder.

    image_hash : (m,) which images these are, see `eigenstep.images.image_hashes`
    modes : (m, k) the modes' values on them, in the norm of the kernel's functions
    end : (m, d) embeddings at the end
    between : (S, m, d) when just the first `between_learned` (S,) modes have been learned
    between_step, between_time : (S,) when that is
    """

    image_hash: NDArray[np.str_]
    modes: NDArray[np.float32]
    end: NDArray[np.float32]
    between: NDArray[np.float32]
    between_learned: NDArray[np.int64]
    between_step: NDArray[np.int64]
    between_time: NDArray[np.float64]


def is_prediction(folder: str | Path) -> bool:
    """Whether a folder holds what `predict` has computed."""
    return (Path(folder) / "predicted.npz").is_file() and (Path(folder) / "prediction.json").is_file()


def read_predicted(folder: str | Path) -> PredictedEmbeddings:
    """Read the embeddings of a prediction folder.

    Raises FileNotFoundError if it is none, ValueError if its file is damaged.
    """
    if not is_prediction(folder):
        raise FileNotFoundError(
            f"there is no prediction in {folder}: expected a folder that eigenstep predict has written"
        )
    path = Path(folder) / "predicted.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return PredictedEmbeddings(**{name: arrays[name] for name in arrays.files})
    except Exception as error:  # damaged files raise BadZipFile, EOFError and more
        raise ValueError(f"{path} is damaged; predict it anew") from error


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise FileExistsError if something is at `out` that may not be replaced; changes nothing."""
    if not out.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{out} exists; use --overwrite to replace it, or another --out")
    found = [entry.name for entry in out.iterdir()] if out.is_dir() else [out.name]
    others = [name for name in found if name not in ENTRIES and not name.endswith(ASIDE)]
    if others or (found and not is_prediction(out)):
        raise FileExistsError(f"{out} exists and is no prediction alone; move it, or use another --out")


def write_folder(
    out: Path,
    config: dict[str, Any],
    prediction: dict[str, Any],
    rows: list[PredictedRow],
    embeddings: PredictedEmbeddings,
    thumbnails: NDArray[np.uint8],
    *,
    overwrite: bool = False,
    numbered: bool = False,
) -> Path:
    """Write a prediction; it is there when it is whole, and takes an older one's place only then.

    Parameters
    ----------
    overwrite : replace the prediction that is at `out`
    numbered : where something is at `out`, take the first of `out-2`, `out-3`, ... that is free

    Returns where it is. Raises FileExistsError if something is at `out` now that may not be replaced.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: others may be writing a prediction of the same name.
    place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-", suffix=ASIDE))
    try:
        new = place / "new"
        _fill(new, config, prediction, rows, embeddings, thumbnails)
        if numbered:
            return _move_to_free(new, out)
        check_folder(out, overwrite)
        _exchange(new, out, place / "old")
        return out
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):  # an older prediction that could not be moved back stays here
            place.rmdir()


def _move_to_free(new: Path, out: Path) -> Path:
    """Move a folder to `out`, or to the first of `out-2`, `out-3`, ... that is free at that very moment."""
    while True:
        free = free_folder(out.parent, out.name)
        try:
            new.rename(free)
        except OSError:
            if not free.exists():
                raise
        else:
            return free


def _exchange(new: Path, out: Path, old: Path) -> None:
    """Move a folder to `out` in the place of what is there, which a kill or an error on the way leaves whole.

    old : where that is meanwhile
    """
    if not out.exists():
        new.rename(out)
        return
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise
    if old.is_symlink():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def _fill(
    new: Path,
    config: dict[str, Any],
    prediction: dict[str, Any],
    rows: list[PredictedRow],
    embeddings: PredictedEmbeddings,
    thumbnails: NDArray[np.uint8],
) -> None:
    with atomic_folder(new) as folder:
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (folder / "config.yaml").write_text(text)
        (folder / "prediction.json").write_text(json.dumps(prediction, indent=1, allow_nan=False))
        writer = RecordWriter(
            folder,
            len(rows[0].cross_correlation),
            probe=len(thumbnails),
            directions=rows[0].points.shape[1],
        )
        writer.write_probe(thumbnails)
        for row in rows:
            writer.append(
                row.step,
                row.time,
                {"cross_correlation": row.cross_correlation, "covariance": row.covariance},
                row.points,
                loss=row.loss,
                learning_rate=row.learning_rate,
            )
        content = io.BytesIO()
        np.savez(content, **vars(embeddings))
        (folder / "predicted.npz").write_bytes(content.getvalue())
        summary = {"state": "predicted", "step": rows[-1].step}
        (folder / "summary.json").write_text(json.dumps(summary, indent=1))
