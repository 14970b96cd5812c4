"""A prediction on disk: a run folder that says that it is one, and the embeddings that were predicted."""

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from eigenstep.atomic import ASIDE, atomic_folder, atomic_remove
from eigenstep.prediction._moments import Row
from eigenstep.spectrum import RecordWriter

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

    image_hash : (m,) which images these are, see `eigenstep.training.data.image_hashes`
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
    """Read the embeddings of a prediction folder; FileNotFoundError if it is none."""
    if not is_prediction(folder):
        raise FileNotFoundError(
            f"there is no prediction in {folder}: expected a folder that eigenstep predict has written"
        )
    with np.load(Path(folder) / "predicted.npz", allow_pickle=False) as arrays:
        return PredictedEmbeddings(**{name: arrays[name] for name in arrays.files})


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise FileExistsError if something is at `out` that may not be replaced."""
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
    rows: list[Row],
    embeddings: PredictedEmbeddings,
    thumbnails: NDArray[np.uint8],
) -> None:
    """Write a prediction; it is there when it is whole, and takes an older one's place only then."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.parent / f".{out.name}-new{ASIDE}"
    shutil.rmtree(aside, ignore_errors=True)
    with atomic_folder(aside) as folder:
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
    if out.exists():
        atomic_remove(out)
    aside.rename(out)
