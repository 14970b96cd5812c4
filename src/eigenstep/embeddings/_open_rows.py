"""Opening a file of embeddings by its name's end."""

from collections.abc import Callable
from pathlib import Path

from eigenstep.embeddings._arrays import npy_arrays, npz_arrays
from eigenstep.embeddings._rows import Rows, Stored
from eigenstep.embeddings._table import parquet_columns
from eigenstep.embeddings._tensors import safetensors_tensors, torch_tensors

# What is read unless a column is named, as `eigenstep embed` names it.
EMBEDDING = "embedding"
FORMATS: dict[str, Callable[[Path], dict[str | None, Stored]]] = {
    ".npy": npy_arrays,
    ".npz": npz_arrays,
    ".pt": torch_tensors,
    ".pth": torch_tensors,
    ".safetensors": safetensors_tensors,
    ".parquet": parquet_columns,
}
SUFFIXES = tuple(FORMATS)


def open_rows(path: str | Path, column: str | None = None, *, default: str | None = None) -> Rows:
    """Embeddings in an .npy, .npz, .pt, .safetensors or .parquet file; none is read yet.

    Nothing is unpickled: .pt files may hold tensors, and dictionaries and lists of them.

    Parameters
    ----------
    column : the array's name; by default the only one that can be embeddings, or `embedding`
    default : a name that is taken, if it is there, before these two

    Raises FileNotFoundError, or ValueError in one line for what cannot be read as embeddings of two rows or
    more.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix not in FORMATS:
        raise ValueError(f"expected a name that ends in {', '.join(FORMATS)}, got {path}")
    arrays = FORMATS[path.suffix](path)
    name = _choose(path, arrays, default) if column is None else column
    if name not in arrays:
        raise ValueError(f"{path} has no column {name!r}; it has {_listed(arrays)}")
    stored = arrays[name]
    what = f"{path}, {name}" if name is not None else f"{path}"
    if not stored.is_embeddings:
        raise ValueError(f"{what}: expected numbers of shape (rows, dimensions), got {stored}")
    if stored.shape[0] < 2 or not stored.shape[1]:
        raise ValueError(f"{what}: expected two rows or more, got {stored}")
    others = tuple(str(key) for key, array in arrays.items() if array.is_embeddings and key != name)
    return Rows(path, name, others, stored)


def _choose(path: Path, arrays: dict[str | None, Stored], default: str | None) -> str | None:
    fitting = [name for name, array in arrays.items() if array.is_embeddings]
    for name in (default, EMBEDDING):
        if name in fitting:
            return name
    if len(arrays) == 1:
        return next(iter(arrays))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ValueError(
            f"{path}: expected a column of vectors, shape (rows, dimensions); it has {_listed(arrays)}"
        )
    raise ValueError(f"{path} has several columns of vectors; name one as column: {_listed(arrays, fitting)}")


def _listed(arrays: dict[str | None, Stored], names: list[str | None] | None = None, most: int = 8) -> str:
    chosen = list(arrays) if names is None else names
    shown = [f"{name} ({arrays[name]})" if name is not None else str(arrays[name]) for name in chosen[:most]]
    return ", ".join(shown) + (f" and {len(chosen) - most} more" if len(chosen) > most else "") or "nothing"
