"""The kinds of files of embeddings, by the endings of their names."""

from collections.abc import Callable
from pathlib import Path

from eigenstep.embeddings._arrays import npy_content, npz_content
from eigenstep.embeddings._stored import Content
from eigenstep.embeddings._table import arrow_content, parquet_content
from eigenstep.embeddings._tensors import safetensors_content, torch_content
from eigenstep.embeddings._text import csv_content

FORMATS: dict[str, Callable[[Path], Content]] = {
    ".npy": npy_content,
    ".npz": npz_content,
    ".pt": torch_content,
    ".pth": torch_content,
    ".safetensors": safetensors_content,
    ".parquet": parquet_content,
    ".feather": arrow_content,
    ".arrow": arrow_content,
    ".csv": csv_content,
    ".tsv": csv_content,
    ".csv.gz": csv_content,
    ".tsv.gz": csv_content,
}
SUFFIXES = tuple(FORMATS)


def embeddings_suffix(path: str | Path) -> str | None:
    """The ending of a name of a file of embeddings, of `SUFFIXES`, in capitals or not; None for another file.

    Examples
    --------
    >>> embeddings_suffix("runs/Z.CSV.gz"), embeddings_suffix("z.txt")
    ('.csv.gz', None)
    """
    name = Path(path).name.lower()
    return next((suffix for suffix in sorted(FORMATS, key=len)[::-1] if name.endswith(suffix)), None)
