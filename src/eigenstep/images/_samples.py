"""What a data set holds: encoded images under their names, and their labels as class numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

# {"bytes": a file's content or None, "path": where it is or was, or None}; or pixels, uint8 (H, W, 3); None
# where there is no image.
Record = dict[str, Any] | np.ndarray | None

# A label as it stands in a data set: the number of a class, its name, or None where there is none.
Value = int | str | None

UNLABELLED = -1


class Sample(NamedTuple):
    """An encoded image under its name, and its label where labels are read."""

    name: str
    record: Record
    label: Value


@dataclass(frozen=True)
class Labels:
    """The labels of a split.

    Attributes
    ----------
    numbers : np.ndarray
        int64 (n,), class numbers; -1 for an image without a label.
    names : list[str] | None
        Of the classes, by number; None where the data set only has numbers.
    are_text : bool
        The data set has names in place of numbers.
    """

    numbers: np.ndarray
    names: list[str] | None
    are_text: bool = False

    @property
    def classes(self) -> int:
        return len(self.names) if self.names else int(self.numbers.max(initial=UNLABELLED)) + 1

    def number(self, value: Value) -> int:
        """The class number of one value."""
        if value is None:
            return UNLABELLED
        if self.are_text:
            return self._numbers[str(value)]
        return max(int(value), UNLABELLED)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names or [])}


def read_labels(
    data: str,
    values: Iterable[Value],
    other_splits: Sequence[Iterable[Value]] = (),
    names: list[str] | None = None,
) -> Labels:
    """Class numbers of a split's values.

    Numbers stay as they are. Text is numbered in its alphabetical order over all splits, so that a class has
    one number in all of them.

    Parameters
    ----------
    names : list[str] | None
        Where the values are numbers of these classes.

    Raises
    ------
    ValueError
        If no image has a label.

    Examples
    --------
    >>> read_labels("pets", ["dog", "cat"], [["ape"]]).numbers
    array([2, 1])
    """
    values = list(values)
    are_text = any(isinstance(value, str) for value in values)
    if are_text:
        splits = (values, *other_splits)
        names = sorted({str(value) for split in splits for value in split if value is not None})
    labels = Labels(np.empty(0, np.int64), names, are_text)
    numbers = np.array([labels.number(value) for value in values], dtype=np.int64)
    if not (numbers > UNLABELLED).any():
        raise ValueError(f"{data}: none of the split's {len(numbers)} images has a label; set another split")
    return Labels(numbers, names, are_text)
