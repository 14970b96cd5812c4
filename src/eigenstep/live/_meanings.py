"""What the modes of a run mean, as `eigenstep modes` has said, for the page."""

from typing import Any

# Names, and steps at which something became known, that the page shows, and characters of each name.
MOST, LONGEST = 8, 100


def meanings(found: dict[str, Any] | None) -> dict[str, list[str]] | None:
    """Names of modes and what is known since when, each a line; None where nothing is said of either.

    Parameters
    ----------
    found : dict[str, Any] | None
        The content of `modes.json`, whoever wrote it.

    Examples
    --------
    >>> mode = {"first": 1, "last": 1, "name": "brightness", "statistics": ["brightness"]}
    >>> readable = {"in": "steps", "known_from": {"brightness": 0, "chroma": 400, "extent": None}}
    >>> meanings({"modes": [mode], "readable": readable})
    {'names': ['1 brightness'], 'known': ['brightness from step 0', 'chroma from step 400']}
    """
    if not found:
        return None
    try:
        named = [each for each in found["modes"] if each["statistics"]]
        names = [f"{_which(each)} {_short(each['name'])}" for each in named[:MOST]]
        since = {
            name: int(place) for name, place in found["readable"]["known_from"].items() if place is not None
        }
        unit = "step" if found["readable"]["in"] == "steps" else "mode"
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):  # it is someone else's file
        return None
    order = sorted(since, key=lambda name: since[name])
    known = [f"{_short(name)} from {unit} {since[name]:,}" for name in order[:MOST]]
    return {"names": names, "known": known} if names or known else None


def _which(mode: dict[str, Any]) -> str:
    first, last = int(mode["first"]), int(mode["last"])
    return str(first) if first == last else f"{first}–{last}"


def _short(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError("a name is text")
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
