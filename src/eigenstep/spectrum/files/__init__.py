"""The spectrum of embeddings that lie in a file, read a block at a time."""

from eigenstep.spectrum.files._measure_file import FileSpectrum, measure_file
from eigenstep.spectrum.files._open_rows import SUFFIXES, open_rows
from eigenstep.spectrum.files._rows import Rows

__all__ = ["SUFFIXES", "FileSpectrum", "Rows", "measure_file", "open_rows"]
