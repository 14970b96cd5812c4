"""Encoded images, as they stand in a data set."""

from typing import Any, NamedTuple

# {"bytes": a file's content or None, "path": where it is or was, or None}; None where there is no image.
Record = dict[str, Any] | None

# A label as it stands in a data set: the number of a class, its name, or None where there is none.
Value = int | str | None


class Sample(NamedTuple):
    """An encoded image under its name, and its label where labels are read."""

    name: str
    record: Record
    label: Value
