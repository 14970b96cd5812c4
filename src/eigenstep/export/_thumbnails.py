"""Small pictures of images, and a table's column of them."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from eigenstep.images import pictures

# Pixels of a side: more than a point of a map shows, and a few kilobytes each.
SIDE = 64


def thumbnails(images: Tensor, side: int, show: Sequence[int] = ()) -> NDArray[np.uint8]:
    """Stored images as pictures to look at, (n, s, s, 3), s at most `side`: smaller ones keep their size.

    Parameters
    ----------
    images : Tensor
        (n, C, S, S).
    show : Sequence[int]
        As `eigenstep.images.pictures`, which stretches images of more than 8 bits together.

    Examples
    --------
    >>> import torch
    >>> thumbnails(torch.zeros(2, 3, 96, 96, dtype=torch.uint8), 64).shape
    (2, 64, 64, 3)
    """
    shown = pictures(np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1)), show)
    if shown.shape[1] <= side:
        return shown
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BOX)) for each in shown]
    )


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (height, width, 3) as a PNG file, every pixel as it is."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return content.getvalue()


def image_column(shown: Iterable[NDArray[np.uint8]], paths: Sequence[str | None]) -> pa.Array:
    """Pictures as `datasets` keeps images in tables: PNG files, each with the path of the image, if any."""
    files = pa.array([png(each) for each in shown], pa.binary())
    return pa.StructArray.from_arrays([files, pa.array(paths, pa.string())], ["bytes", "path"])
