"""Files of embeddings, whoever wrote them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

What = Literal["embedding", "features"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Embeddings (n, d) of a file, and what names their images (n,), or None if the file does not tell."""

    values: NDArray[np.float64]
    image_hash: NDArray[np.str_] | None


def read_rows(path: Path, what: What) -> Rows:
    """Read a file that `eigenstep embed` or anyone else has written.

    An .npy file is one array; .npz and .parquet have arrays or columns `embedding` and `features`, and may
    have `image_hash`.

    Raises ValueError, in one line that begins with the path, where the file cannot be read, what is asked for
    is not there or is no matrix of real numbers, or there are more or fewer names than rows.
    """
    try:
        found, known = _arrays(path, what)
    except Exception as error:  # damaged files raise BadZipFile, EOFError, ArrowInvalid and more
        words = str(error).split("\n")[0] or type(error).__name__
        if "pickle" in words:  # NumPy takes all that it does not know for that
            words = "it is damaged, or holds objects instead of numbers"
        raise ValueError(f"{path} cannot be read: {words}") from error
    if what not in found:
        raise ValueError(f"{path} has no {what}; it has {', '.join(known)}")
    values, names = found[what], found.get("image_hash")
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: expected {what} of real numbers, of shape (images, dimensions), got {values.dtype} of"
            f" shape {values.shape}"
        )
    if names is not None and (names.shape != values.shape[:1] or names.dtype.kind != "U"):
        raise ValueError(
            f"{path}: expected image_hash with a name of each of the {len(values)} rows of {what}, got"
            f" {names.dtype} of shape {names.shape}"
        )
    return Rows(values, names)


def _arrays(path: Path, what: What) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """What is asked for and the names of images, as far as the file has them, and the names of all it has."""
    if path.suffix == ".npy":
        values = np.load(path, allow_pickle=False)
        if not isinstance(values, np.ndarray):
            raise ValueError("it holds several arrays, as an .npz file does")
        return {what: values}, []
    if path.suffix == ".npz":
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise ValueError("it holds one array, as an .npy file does")
        with opened as arrays:
            found = {name: arrays[name] for name in arrays.files if name in (what, "image_hash")}
            known = list(arrays.files)
    else:
        import pyarrow.parquet as parquet

        known = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=[name for name in known if name in (what, "image_hash")])
        found = {name: _array(table[name]) for name in table.column_names}
    return found, known


def described_data(path: Path) -> tuple[str, str] | None:
    """The data set and the split that `eigenstep embed` wrote a file of, or None if it does not tell."""
    try:
        told = json.loads(_description(path))
    except ValueError:  # it is someone else's
        return None
    is_ours = isinstance(told, dict) and {"data", "split"} <= set(told)
    return (told["data"], told["split"]) if is_ours else None


def _description(path: Path) -> str:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["description"]) if "description" in arrays.files else "{}"
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        return ((parquet.read_schema(path).metadata or {}).get(b"eigenstep") or b"{}").decode()
    return "{}"


def _array(column: Any) -> NDArray[Any]:
    joined = column.combine_chunks()
    if hasattr(joined, "flatten") and hasattr(joined.type, "list_size"):
        return joined.flatten().to_numpy().reshape(len(joined), joined.type.list_size)
    return np.array(joined.to_pylist())
