"""Encoded images, of whatever kind, as upright RGB: one of them, and many with the broken ones counted."""

import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from eigenstep.images._png import check_png
from eigenstep.images._samples import Record, Sample
from eigenstep.images._zips import read_member, split_member


def decode_image(record: Record) -> Image.Image:
    """An RGB image from encoded bytes, a path, or pixels; upright by its EXIF tag.

    Transparency is laid on white, 16-bit grey is scaled to 8 bits, CMYK and palettes are converted. Raises
    whatever the image's decoder raises, which may be any exception.
    """
    if isinstance(record, np.ndarray):
        return Image.fromarray(record)
    if record is None or not (record["bytes"] or (record["bytes"] is None and record["path"])):
        raise ValueError("there is no image in this row")
    with warnings.catch_warnings(), _opened(record) as file:
        warnings.simplefilter("ignore")  # odd metadata does not matter, a broken image is named elsewhere
        check_png(file)
        image: Image.Image = Image.open(file)
        image.load()
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def middle_square(image: Image.Image, size: int) -> np.ndarray:
    """The middle square of an image, resized: uint8 (3, size, size)."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


@dataclass
class Decoded:
    """Samples that were decoded, those that could not be aside.

    Attributes
    ----------
    images : np.ndarray
        uint8 (n, 3, S, S).
    kept : np.ndarray
        int64, places among the samples of those that could be decoded.
    broken : list[tuple[int, str]]
        Places among the samples and names of the others.
    enlarged : int
        How many images were smaller than S.
    labels : np.ndarray | None
        int64 (n,), or None; whoever knows them puts them in.
    """

    images: np.ndarray
    kept: np.ndarray
    broken: list[tuple[int, str]]
    enlarged: int
    labels: np.ndarray | None = None

    @property
    def broken_names(self) -> list[str]:
        return [name for _, name in self.broken]


def decode_squares(
    samples: Iterable[Sample], into: np.ndarray, *, gaps: bool = False, refused_of: str | None = None
) -> Decoded:
    """Decode samples to middle squares of one size, until there are no more or the room is full.

    No sample is drawn that there is no room for.

    Parameters
    ----------
    into : np.ndarray
        The room for them, uint8 (m, 3, size, size), on whose beginning what is returned is a view.
    gaps : bool
        Leave the room of a broken image as it is, in place of moving up those that follow it.
    refused_of : str | None
        Refuse broken images: the data set's name, for what is said then.

    Raises
    ------
    ValueError
        In one line for an image that cannot be decoded, if it is to be refused.
    """
    size = into.shape[-1]
    kept, broken, enlarged, rest = list[int](), list[tuple[int, str]](), 0, iter(samples)
    for place in count():
        row = place if gaps else len(kept)
        sample = next(rest, None) if row < len(into) else None
        if sample is None:
            break
        try:
            image = decode_image(sample.record)
            into[row] = middle_square(image, size)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            if refused_of is not None:
                raise ValueError(broken_image(refused_of, sample.name)) from error
            broken.append((place, sample.name))
            continue
        kept.append(place)
        enlarged += min(image.size) < size
    filled = into if gaps else into[: len(kept)]
    return Decoded(filled, np.array(kept, dtype=np.int64), broken, enlarged)


def broken_image(data: str, name: str) -> str:
    """What is said where a broken image is refused."""
    return f"{data}: {name} cannot be decoded; mend it, or leave --images.broken at its default"


def no_images(data: str, total: int, broken: Sequence[str]) -> str:
    """What is said where nothing can be decoded."""
    some = f", for example {', '.join(broken[:3])}" if broken else ""
    return f"{data}: none of its {total} images can be decoded{some}"


def _opened(record: dict[str, Any]) -> BinaryIO:
    """The encoded image; a row that has one of no bytes is not asked for its path."""
    content, path = record["bytes"], str(record["path"])
    if content is None and (member := split_member(path)):
        content = read_member(*member)
    if content is not None:
        return io.BytesIO(content)
    if not Path(path).is_file():  # what is no file may never end
        raise ValueError("it is no file")
    return open(path, "rb")


def _to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    """16-bit levels to 8 bits; floating-point images are taken to lie in [0, 1]."""
    top = 1.0 if pixels.dtype.kind == "f" and pixels.max(initial=0) <= 1 else 65535.0
    return np.round(np.clip(pixels / top, 0, 1) * 255).astype(np.uint8)
