"""Why an image cannot be used, in one line, and what is said where that ends a run."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Longer reasons are shortened to so many letters.
LONGEST = 120


class Broken(NamedTuple):
    """An image that cannot be used.

    Attributes
    ----------
    place : int
        Where it is among the samples.
    name, reason : str
        What it is called, and why.

    Examples
    --------
    >>> Broken._fields
    ('place', 'name', 'reason')
    """

    place: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def reason_of(error: Exception) -> str:
    """What a decoder raised, as one short line that is the same for the same file.

    Examples
    --------
    >>> reason_of(OSError("broken data stream  when reading image file."))
    'broken data stream when reading image file'
    """
    text = re.sub(r"\s*<[^<>]* object at 0x[0-9a-fA-F]+>", "", " ".join(str(error).split())).rstrip(".")
    text = text or type(error).__name__
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def broken_image(data: str, broken: Broken) -> str:
    """What is said where a broken image is refused.

    Examples
    --------
    >>> print(broken_image("photos", Broken(3, "cat.png", "the file is empty")))
    photos: cat.png cannot be decoded (the file is empty); mend it, or leave --images.broken at its default
    """
    return (
        f"{data}: {broken.name} cannot be decoded ({broken.reason}); mend it, or leave --images.broken at its"
        " default"
    )


def no_images(data: str, total: int, broken: Sequence[object]) -> str:
    """What is said where nothing can be decoded.

    Examples
    --------
    >>> no_images("photos", 3, [])
    'photos: none of its 3 images can be decoded'
    """
    some = f", for example {', '.join(map(str, broken[:3]))}" if broken else ""
    return f"{data}: none of its {total} images can be decoded{some}"
