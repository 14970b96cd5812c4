"""What the stored images of a data set consist of: channels, depth, and what became black and white."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pixels:
    """What the stored images of a data set consist of.

    Stored values use the whole range of their type: 0 to 255 of uint8, 0 to 65535 of uint16, 0 to 1 of
    float32.

    Attributes
    ----------
    channels : int
        C of (n, C, S, S).
    dtype : Literal['uint8', 'uint16', 'float32']
        NumPy's and torch's name of their type.
    range : tuple[float, float] | None
        Values in files that were stored as the lowest and the highest; None: those of each file's type.
    notes : tuple[str, ...]
        What was guessed, each a line that says by which option to say otherwise.
    """

    channels: int = 3
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    range: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


# Of pictures as they mostly are: three channels of 8 bits.
COLOURS = Pixels()
