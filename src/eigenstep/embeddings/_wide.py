"""Tables that have one column per dimension: which of their columns are the embeddings."""

import re
from collections.abc import Mapping

# What stands beside embeddings, where no numbers in the names tell the dimensions.
BESIDE = frozenset(
    ("", "class", "fold", "id", "idx", "index", "label", "labels", "row", "split", "target", "targets")
)


def wide_columns(kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of the columns that are one array's dimensions, by a name for that array.

    Numbered columns with one beginning, such as f0, f1, ..., are one; where there are none, all columns of
    fractions but those that are named as what stands beside embeddings.

    Parameters
    ----------
    kinds : Mapping[str, str]
        Of each column "fraction", "integer" or another word, in the file's order.

    Examples
    --------
    >>> wide_columns({"id": "text", "f0": "fraction", "f1": "fraction", "score": "fraction"})
    {'f': ['f0', 'f1']}
    >>> wide_columns({"label": "fraction", "width": "fraction", "height": "fraction"})
    {'columns': ['width', 'height']}
    """
    numbered: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        match = re.fullmatch(r"(.*?)[\s_.\-\[(]*(\d+)[\])]?", name)
        if match and kind in ("fraction", "integer"):
            numbered.setdefault(match[1], []).append(name)
    found = {begin or "columns": names for begin, names in numbered.items() if len(names) > 1}
    if not found:
        beside = BESIDE if "x" in kinds else BESIDE | {"y"}  # a label, but beside x a dimension
        fractions = [
            name for name, kind in kinds.items() if kind == "fraction" and not _is_beside(name, beside)
        ]
        found = {"columns": fractions} if len(fractions) > 1 else {}
    return {name if name not in kinds else f"{name}*": names for name, names in found.items()}


def in_words(names: list[str], kinds: Mapping[str, str]) -> str:
    """What was taken as one array, and what was not."""
    others = [name or "without a name" for name in kinds if name not in names]
    beside = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
    return f"{len(names):,} columns, {names[0]} to {names[-1]}" + (f"; not taken: {beside}" if beside else "")


def _is_beside(name: str, names: frozenset[str]) -> bool:
    return name.lower() in names or name.startswith(("Unnamed:", "__index_level_"))
