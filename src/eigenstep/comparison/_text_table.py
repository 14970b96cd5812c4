"""A table of words, for the terminal and the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """A table whose first column names its rows, and a sentence about it, or none."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""
