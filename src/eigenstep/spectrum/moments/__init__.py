"""Streaming moments of two views' embeddings and the spectra they have."""

from eigenstep.spectrum.moments._window import EmbeddingWindow

__all__ = ["EmbeddingWindow"]
