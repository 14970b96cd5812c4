"""Columns of rows that come a block at a time, as a Parquet, .npz or .npy file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from eigenstep.export._thumbnails import image_column

SUFFIXES = (".parquet", ".npz", ".npy")


@dataclass(frozen=True)
class Columns:
    """A block of n rows.

    Attributes
    ----------
    index : np.ndarray
        int64 (n,).
    image_hash : np.ndarray
        (n,) texts that name the images' contents, see `image_hashes`.
    path : list[str | None]
        a name for each, or None.
    label : np.ndarray | None
        int64 (n,), -1 for none; None where no row has one.
    features, embedding : np.ndarray
        float32 (n, p) and (n, d).
    scores : np.ndarray | None
        (n, m) along modes, columns `mode_1`, ...; None without modes.
    class_name : list[str | None] | None
        what labels are called, None for none; None where labels have no names.
    thumbnails : np.ndarray | None
        uint8 (n, s, s, 3), the column `image`; None without.

    Examples
    --------
    >>> scores = np.array([[0.5, -1.0], [1.5, 2.0]])
    >>> names = np.array(["2e92979a", "7b1c55d0"])
    >>> block = Columns(np.arange(2), names, [None, None], None, np.zeros((2, 8)), np.zeros((2, 4)), scores)
    >>> block.by_mode
    {'mode_1': array([0.5, 1.5]), 'mode_2': array([-1.,  2.])}
    """

    index: np.ndarray
    image_hash: np.ndarray
    path: list[str | None]
    label: np.ndarray | None
    features: np.ndarray
    embedding: np.ndarray
    scores: np.ndarray | None = None
    class_name: list[str | None] | None = None
    thumbnails: np.ndarray | None = None

    @property
    def by_mode(self) -> dict[str, np.ndarray]:
        """The scores as columns."""
        return {} if self.scores is None else {f"mode_{k}": row for k, row in enumerate(self.scores.T, 1)}


class ParquetFile:
    """A row group for each block; no more than one is held.

    Parameters
    ----------
    place : Path | IO[bytes]
        The file's name, or an open one.
    description : dict[str, Any]
        Kept as JSON under `eigenstep` in the file's metadata.
    """

    def __init__(self, place: Path | IO[bytes], description: dict[str, Any]) -> None:
        self.place = place
        self.metadata = {"eigenstep": json.dumps(description)}
        self.writer: parquet.ParquetWriter | None = None

    def write(self, block: Columns) -> None:
        columns: dict[str, pa.Array] = {}
        if block.class_name is not None:
            columns["class_name"] = pa.array(block.class_name, pa.string())
        if block.label is not None:
            columns["label"] = pa.array(block.label, mask=block.label < 0)
        columns["index"] = pa.array(block.index)
        columns["path"] = pa.array(block.path, pa.string())
        if block.thumbnails is not None:
            columns["image"] = image_column(block.thumbnails, block.path)
        columns |= {name: pa.array(scores) for name, scores in block.by_mode.items()}
        # Viewers colour by the first column, and show the others in their order.
        columns["image_hash"] = pa.array(block.image_hash.tolist(), pa.string())
        columns["features"] = _vectors(block.features)
        columns["embedding"] = _vectors(block.embedding)
        table = pa.table(columns, metadata=self.metadata)
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.place, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class ArrayFile:
    """All blocks, held until the end: arrays by name in an .npz file, the features alone in an .npy file."""

    def __init__(self, path: Path, suffix: str, description: dict[str, Any]) -> None:
        self.path = path
        self.suffix = suffix
        self.description = description
        self.blocks: list[Columns] = []

    def write(self, block: Columns) -> None:
        self.blocks.append(block)

    def close(self) -> None:
        if not self.blocks:
            return
        names = ["index", "image_hash", "features", "embedding"]
        if self.blocks[0].label is not None:
            names.append("label")
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(block, name) for block in self.blocks]) for name in names
        }
        for name in self.blocks[0].by_mode:
            arrays[name] = np.concatenate([block.by_mode[name] for block in self.blocks])
        if self.blocks[0].class_name is not None:
            arrays["class_name"] = np.array(
                [name or "" for block in self.blocks for name in block.class_name or []]
            )
        arrays["path"] = np.array([path or "" for block in self.blocks for path in block.path])
        arrays["description"] = np.array(json.dumps(self.description))
        with self.path.open("wb") as file:
            if self.suffix == ".npy":
                np.save(file, arrays["features"])
            else:
                np.savez(file, **arrays)


def check_suffix(path: Path) -> None:
    """Raise a ValueError unless the name tells which kind of file is meant."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"expected a name that ends in {', '.join(SUFFIXES)}, got {path}")


def open_columns(path: Path, suffix: str, description: dict[str, Any]) -> ParquetFile | ArrayFile:
    """A new file of the kind that the suffix names; it is whole after `close`.

    Examples
    --------
    >>> import tempfile
    >>> path, names = Path(tempfile.mkdtemp()) / "mine.npz", np.array(["2e92979a", "7b1c55d0"])
    >>> file = open_columns(path, ".npz", {"run": "mine"})
    >>> for start in (0, 2):
    ...     rows = np.arange(start, start + 2)
    ...     file.write(Columns(rows, names, [None, None], None, np.zeros((2, 8)), np.zeros((2, 4))))
    >>> file.close()
    >>> np.load(path)["features"].shape, np.load(path)["index"]
    ((4, 8), array([0, 1, 2, 3]))
    """
    return ParquetFile(path, description) if suffix == ".parquet" else ArrayFile(path, suffix, description)


def _vectors(rows: np.ndarray) -> pa.Array:
    values = np.ascontiguousarray(rows, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
