"""Runs, predictions and files of embeddings side by side, on one set of images."""

from eigenstep.side_by_side._compare import compare
from eigenstep.side_by_side._inputs import Input, parse_input
from eigenstep.side_by_side._page import write_page
from eigenstep.side_by_side._picture import draw_matrices
from eigenstep.side_by_side._result import ModeOverlap, Pair, SideBySide, Times

__all__ = [
    "Input",
    "ModeOverlap",
    "Pair",
    "SideBySide",
    "Times",
    "compare",
    "draw_matrices",
    "parse_input",
    "write_page",
]
