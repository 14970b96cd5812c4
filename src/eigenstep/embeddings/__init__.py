"""Embeddings as they come: arrays of any library, and files, read a block at a time or whole."""

from eigenstep.embeddings._as_tensor import as_tensor, type_name
from eigenstep.embeddings._rows import SUFFIXES, Rows, open_rows

__all__ = ["SUFFIXES", "Rows", "as_tensor", "open_rows", "type_name"]
