"""Many images decoded to stored squares, with the broken ones counted and named."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from eigenstep.images.decoding import Broken, broken_image, reason_of
from eigenstep.images.sources import Sample
from eigenstep.images.stored._stored_format import StoredFormat


@dataclass
class Decoded:
    """Samples that were decoded, those that could not be aside.

    Attributes
    ----------
    images : np.ndarray
        (n, C, S, S), of the stored type.
    kept : np.ndarray
        int64, places among the samples of those that could be decoded.
    broken : list[Broken]
        The others.
    enlarged : int
        How many images were smaller than S.
    with_gaps : int
        How many had values that are no finite numbers.
    notes : list[str]
        What some lost because they are unlike the images that were looked at.
    labels : np.ndarray | None
        int64 (n,), or None; whoever knows them puts them in.

    Examples
    --------
    >>> from eigenstep.images.decoding import Broken
    >>> found = Decoded(np.zeros((2, 3, 8, 8)), np.array([0, 2]), [Broken(1, "cat.png", "it is empty")], 0)
    >>> found.broken_names
    ['cat.png (it is empty)']
    """

    images: np.ndarray
    kept: np.ndarray
    broken: list[Broken]
    enlarged: int
    with_gaps: int = 0
    notes: list[str] = field(default_factory=list)
    labels: np.ndarray | None = None

    @property
    def broken_names(self) -> list[str]:
        """Each with its reason."""
        return [str(each) for each in self.broken]


def decode_squares(
    samples: Iterable[Sample],
    into: np.ndarray,
    stored: StoredFormat,
    *,
    gaps: bool = False,
    refused_of: str | None = None,
) -> Decoded:
    """Decode samples to middle squares of one size, until there are no more or the room is full.

    No sample is drawn that there is no room for.

    Parameters
    ----------
    into : np.ndarray
        The room for them, see `StoredFormat.room`, on whose beginning what is returned is a view.
    gaps : bool
        Leave the room of a broken image as it is, in place of moving up those that follow it.
    refused_of : str | None
        Refuse broken images: the data set's name, for what is said then.

    Raises
    ------
    ValueError
        In one line for an image that cannot be decoded, if it is to be refused.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig, Pixels
    >>> from eigenstep.images.decoding import BytesImage
    >>> samples = [Sample("cat", np.zeros((20, 30, 3), np.uint8), 0), Sample("dog.png", BytesImage(b""), 1)]
    >>> stored = StoredFormat(ImagesConfig(size=16), Pixels())
    >>> found = decode_squares(samples, stored.room(2), stored)
    >>> found.images.shape, found.broken_names
    ((1, 3, 16, 16), ['dog.png (the file is empty)'])
    """
    notes = dict[str, None]()
    kept, broken, enlarged, with_gaps, rest = list[int](), list[Broken](), 0, 0, iter(samples)
    for place in count():
        row = place if gaps else len(kept)
        sample = next(rest, None) if row < len(into) else None
        if sample is None:
            break
        try:
            square = stored.square(sample.record)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            broken.append(Broken(place, sample.name, reason_of(error)))
            if refused_of is not None:
                raise ValueError(broken_image(refused_of, broken[-1])) from error
            continue
        into[row] = square.values
        kept.append(place)
        enlarged += square.is_enlarged
        with_gaps += square.has_gaps
        if square.note:
            notes[square.note] = None
    filled = into if gaps else into[: len(kept)]
    return Decoded(filled, np.array(kept, dtype=np.int64), broken, enlarged, with_gaps, list(notes))
