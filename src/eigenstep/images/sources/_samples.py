"""What a data set holds: encoded images under their names, and their labels as class numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eigenstep.images.decoding import Record

# A label as it stands in a data set: the number of a class, its name, or None where there is none.
Value = int | str | None

UNLABELLED = -1

# Numbers below this stay as they are; larger ones do where no more than so many are unused for one that is
# used, and are classes by their order otherwise.
SMALL_NUMBERS, UNUSED = 1000, 10


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
        Of the classes, by number; None where the data set only has numbers, and these are used.
    are_text : bool
        The data set has names in place of numbers, or numbers so far apart that they are used as names.
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
            return self._numbers.get(str(value), UNLABELLED)
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

    Small numbers stay as they are. Text is numbered in its alphabetical order, and numbers that are far apart
    in their own, over all splits, so that a class has one number in all of them.

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
    >>> read_labels("hashes", [2**63, 7, -1]).names
    ['7', '9223372036854775808']
    """
    values = list(values)
    are_text = any(isinstance(value, str) for value in values)
    if are_text:
        found = {str(value) for split in (values, *other_splits) for value in split if value is not None}
        names = sorted(found)
    elif names is None and max(_used(values), default=0) >= SMALL_NUMBERS:
        numbers = _used(values).union(*map(_used, other_splits))
        are_text = max(numbers) >= UNUSED * len(numbers)
        names = [str(number) for number in sorted(numbers)] if are_text else None
    labels = Labels(np.empty(0, np.int64), names, are_text)
    numbered = np.array([labels.number(value) for value in values], dtype=np.int64)
    if not (numbered > UNLABELLED).any():
        raise ValueError(f"{data}: none of the split's {len(numbered)} images has a label; set another split")
    return Labels(numbered, names, are_text)


def _used(values: Iterable[Value]) -> set[int]:
    return {int(value) for value in values if value is not None and int(value) > UNLABELLED}
