"""Embeddings that lie in files, read a block at a time or whole."""

from eigenstep.embeddings._rows import SUFFIXES, Rows, open_rows

__all__ = ["SUFFIXES", "Rows", "open_rows"]
