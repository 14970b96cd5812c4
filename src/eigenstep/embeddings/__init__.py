"""Embeddings as they come: arrays of any library, and files, read a block at a time or whole."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.embeddings._as_tensor import as_float64, as_tensor, type_name, wide_type
    from eigenstep.embeddings._formats import SUFFIXES, embeddings_suffix
    from eigenstep.embeddings._missing import nonfinite_rows, rows_in_words
    from eigenstep.embeddings._rows import Rows, open_rows
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "SUFFIXES",
    "Rows",
    "as_float64",
    "as_tensor",
    "embeddings_suffix",
    "nonfinite_rows",
    "open_rows",
    "rows_in_words",
    "type_name",
    "wide_type",
]
