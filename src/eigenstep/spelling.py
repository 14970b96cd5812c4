"""Names that were probably meant, those that a keyword had before, and those that a terminal may be given."""

import difflib
import functools
import warnings
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

__all__ = ["nearest", "printable", "renamed_keyword"]

Given = ParamSpec("Given")
Result = TypeVar("Result")


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean NAME?`, or nothing if no known name is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f" Did you mean {close[0]}?" if close else ""


def printable(text: object) -> str:
    r"""The text of a thing as a terminal may be given it.

    What is no character to be seen, such as the beginning of an escape sequence, is written out; lines stay.

    Examples
    --------
    >>> print(printable("runs/\x1b[2Ja"))
    runs/\x1b[2Ja
    """
    return "".join(
        each if each.isprintable() or each in "\n\xa0" else each.encode("unicode_escape").decode()
        for each in str(text)
    )


def renamed_keyword(**names: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Let a function take keywords by the names that they had, `old="new"`, with a DeprecationWarning.

    Examples
    --------
    >>> @renamed_keyword(colour="color")
    ... def paint(color):
    ...     return color
    >>> with warnings.catch_warnings(action="ignore"):
    ...     paint(colour="red")
    'red'
    """

    def rename(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(function)
        def call(*values: Given.args, **named: Given.kwargs) -> Result:
            for old, new in names.items():
                if old in named:
                    words = f"{old}= of {function.__qualname__} is now {new}="
                    warnings.warn(words, DeprecationWarning, stacklevel=2)
                    named[new] = named.pop(old)
            return function(*values, **named)

        return call

    return rename
