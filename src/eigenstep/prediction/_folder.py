"""A prediction on disk: a run folder that says that it is one, and the embeddings that were predicted."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED

import numpy as np
import yaml
from numpy.typing import NDArray

from eigenstep.prediction._moments import PredictedRow
from eigenstep.record import (
    CONFIG,
    METRICS,
    PREDICTION,
    REPORT,
    SPECTRUM,
    SUMMARY,
    TABLE_BYTES,
    Owner,
    RecordWriter,
    check_bounded,
    found_entries,
    replace_folder,
    write_part,
)
from eigenstep.record import check_folder as check_owned

EMBEDDINGS = "predicted.npz"


@dataclass(frozen=True, eq=False)
class PredictedEmbeddings:
    """`predicted.npz` of a prediction folder.

    Attributes
    ----------
    image_hash : NDArray[np.str_]
        (m,) which images these are, see `eigenstep.images.image_hashes`.
    modes : NDArray[np.float32]
        (m, k) the modes' values on them, in the norm of the kernel's functions.
    end : NDArray[np.float32]
        (m, d) embeddings at the end.
    between : NDArray[np.float32]
        (S, m, d) when just the first `between_learned` (S,) modes have been learned.
    between_step, between_time
        (S,) when that is.
    """

    image_hash: NDArray[np.str_]
    modes: NDArray[np.float32]
    end: NDArray[np.float32]
    between: NDArray[np.float32]
    between_learned: NDArray[np.int64]
    between_step: NDArray[np.int64]
    between_time: NDArray[np.float64]


def is_prediction(folder: str | Path) -> bool:
    """Whether a folder holds what `predict` has computed.

    Examples
    --------
    >>> is_prediction("no-such-folder")
    False
    """
    return (Path(folder) / EMBEDDINGS).is_file() and (Path(folder) / PREDICTION).is_file()


def read_predicted(folder: str | Path) -> PredictedEmbeddings:
    """Read the embeddings of a prediction folder.

    Raises
    ------
    FileNotFoundError
        If it is none.
    ValueError
        If its file is damaged.
    """
    if not is_prediction(folder):
        raise FileNotFoundError(
            f"there is no prediction in {folder}: expected a folder that eigenstep predict has written"
        )
    path = Path(folder) / EMBEDDINGS
    check_bounded(path, TABLE_BYTES, Path(folder))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if any(entry.compress_type != ZIP_STORED for entry in arrays.zip.infolist()):
                raise ValueError("it is compressed")  # it would be larger than it looks
            return PredictedEmbeddings(**{name: arrays[name] for name in arrays.files})
    except Exception as error:  # damaged files raise BadZipFile, EOFError and more
        raise ValueError(f"{path} is damaged; predict it anew") from error


def check_folder(out: Path, overwrite: bool) -> None:
    """Raise FileExistsError if something is at `out` that may not be replaced; changes nothing."""
    check_owned(out, PREDICTIONS, overwrite=overwrite)


PREDICTIONS = Owner(
    (CONFIG, METRICS, PREDICTION, EMBEDDINGS, REPORT, SPECTRUM, SUMMARY),
    made=is_prediction,
    occupied="{out} exists; use --overwrite to replace it, or another --out",
    foreign="{out} exists and is no prediction alone; move it, or use another --out",
    mixed="{out} exists and is no prediction alone; move it, or use another --out",
    found=lambda out: found_entries(out) if out.is_dir() or not out.exists() else [out.name],
    is_taken=Path.exists,
)


def write_folder(
    out: Path,
    config: dict[str, Any],
    prediction: dict[str, Any],
    rows: list[PredictedRow],
    embeddings: PredictedEmbeddings,
    thumbnails: NDArray[Any],
    *,
    overwrite: bool = False,
    numbered: bool = False,
) -> Path:
    """Write a prediction; it is there when it is whole, and takes an older one's place only then.

    Parameters
    ----------
    overwrite : bool
        Replace the prediction that is at `out`.
    numbered : bool
        Where something is at `out`, take the first of `out-2`, `out-3`, ... that is free.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    FileExistsError
        If something is at `out` now that may not be replaced.
    """

    def fill(folder: Path) -> None:
        writer = RecordWriter(
            folder,
            len(rows[0].cross_correlation),
            probe=len(thumbnails),
            directions=rows[0].points.shape[1],
            config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        )
        writer.write_prediction(prediction)
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
        write_part(folder / EMBEDDINGS, content.getvalue())
        writer.finish("predicted", rows[-1].step)

    return replace_folder(out, fill, numbered=numbered, check=lambda: check_folder(out, overwrite))
