"""Embeddings that lie in files, read a block at a time."""

from eigenstep.embeddings._open_rows import SUFFIXES, open_rows
from eigenstep.embeddings._rows import Rows

__all__ = ["SUFFIXES", "Rows", "open_rows"]
