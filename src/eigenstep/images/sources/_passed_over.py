"""What was found and is not used, with the reasons: counted, and the first of each named."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

# Of each reason so many are named, and so many reasons are told apart.
NAMES, REASONS = 20, 100
_OTHER = "for other reasons"


@dataclass
class Passed:
    """What was passed over for one reason.

    Attributes
    ----------
    count : int
        How many.
    names : list[str]
        Of the first 20.
    """

    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass
class PassedOver:
    """Files and images that are not used, by reason; its size does not grow with their number.

    Attributes
    ----------
    reasons : dict[str, Passed]
        In the order in which they were first met.

    Examples
    --------
    >>> passed = PassedOver()
    >>> passed.add("notes.txt", "no image (.txt)")
    >>> passed.count, passed.lines()
    (1, ['1 no image (.txt): notes.txt'])
    """

    reasons: dict[str, Passed] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(passed.count for passed in self.reasons.values())

    def add(self, name: str | None, reason: str, count: int = 1) -> None:
        """`count` more, the first of which is called `name`."""
        if reason not in self.reasons and len(self.reasons) >= REASONS:
            reason = _OTHER
        passed = self.reasons.setdefault(reason, Passed())
        passed.count += count
        if name is not None and len(passed.names) < NAMES:
            passed.names.append(shown(name))

    def extend(self, names: Iterable[str], reason: str) -> None:
        for name in names:
            self.add(name, reason)

    def include(self, other: "PassedOver") -> None:
        """What another one has counted, too."""
        for reason, passed in other.reasons.items():
            own = self.reasons.setdefault(reason, Passed())
            own.count += passed.count
            own.names = [*own.names, *passed.names][:NAMES]

    def without(self, other: "PassedOver") -> "PassedOver":
        """What is counted here and not in another one, all of which is counted here too."""
        rest = PassedOver()
        for reason, passed in self.reasons.items():
            known = other.reasons.get(reason, Passed())
            if passed.count > known.count:
                names = [name for name in passed.names if name not in known.names]
                rest.reasons[reason] = Passed(passed.count - known.count, names)
        return rest

    def lines(self) -> list[str]:
        """A line for each reason, the most frequent first."""
        ordered = sorted(self.reasons.items(), key=lambda item: -item[1].count)
        return [_line(reason, passed) for reason, passed in ordered]


def shown(name: str) -> str:
    r"""A file's name as it can be printed in one line, whatever bytes it consists of.

    Examples
    --------
    >>> print(shown("a\nb\udcff.png"))
    a\nb\xff.png
    """
    if name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def other_split(split: str) -> str:
    """The reason for which images of another split are passed over."""
    return f"of the split {split}"


def beyond(limit: int) -> str:
    """The reason for which images after the first ones are passed over."""
    return f"beyond --images.limit {limit}"


def _line(reason: str, passed: Passed) -> str:
    more = ", ..." if passed.count > len(passed.names[:3]) else ""
    names = f": {', '.join(passed.names[:3])}{more}" if passed.names else ""
    return f"{passed.count:,} {reason}{names}"
