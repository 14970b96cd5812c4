"""Names that were probably meant, those that a keyword had before, and those that a terminal may be given."""

import difflib
import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

__all__ = [
    "PYTHON",
    "absent_object",
    "is_python",
    "nearest",
    "printable",
    "python_name",
    "renamed_keyword",
]

# What a configuration says of an object that was given from Python: this, and the object's name.
PYTHON = "python:"

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


def python_name(thing: Any) -> str:
    """What a configuration calls an object of Python: a function's or class's own name, else its class's.

    Examples
    --------
    >>> python_name(printable), python_name([1, 2])
    ('python:printable', 'python:list')
    """
    own = getattr(thing, "__name__", None)
    return PYTHON + (own if isinstance(own, str) else type(thing).__name__)


def is_python(name: str | None) -> bool:
    """Whether a configuration's value stands for an object of the program that wrote it.

    Examples
    --------
    >>> is_python("python:list"), is_python("cifar10")
    (True, False)
    """
    return name is not None and name.startswith(PYTHON)


def absent_object(what: str, name: str, keyword: str) -> str:
    """What is said where a configuration names an object that is not at hand."""
    return (
        f"the {what} {name} is a Python object of the program that began the run: go on with it there, by"
        f" train(config, out, resume=True, {keyword}={name.removeprefix(PYTHON)})"
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
