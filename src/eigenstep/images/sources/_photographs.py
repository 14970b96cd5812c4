"""Patches of two photographs that come with scikit-learn: images that need no download."""

from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from PIL import Image

from eigenstep.images._config import ImagesConfig
from eigenstep.images._memory import check_memory
from eigenstep.images.decoding import Record
from eigenstep.images.sources._found import Named
from eigenstep.images.sources._source import RandomAccess, Source

NAME = "photos"


class Photographs(Source):
    """`--data photos`: patches that the seed places, without splits and labels."""

    names = (NAME,)
    lacks = ("splits", "labels")
    is_made = True

    @classmethod
    def matches(cls, named: Named) -> bool:
        return is_photographs(named.data)

    def splits(self) -> list[str]:
        return []

    def open(self, config: ImagesConfig, seed: int = 0, *, labels: bool = False) -> "Patches":
        """Raises ValueError if the patches fit neither into memory nor into the photographs."""
        size = config.stored_size or config.size
        check_memory(self.data, config.patches, size, "set a smaller --images.patches")
        return Patches(config.patches, size, seed, config.limit)

    def labels(self, config: ImagesConfig) -> NoReturn:
        raise ValueError(f"{self.data} have no labels")


def is_photographs(data: str) -> bool:
    """Whether `data` names the photographs, of which the source paper's experiments treat patches apart.

    Examples
    --------
    >>> is_photographs("photos"), is_photographs("cifar10")
    (True, False)
    """
    return data == NAME


def photo_patches(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Patches cut at random places from scikit-learn's two sample photographs (427×640).

    As uint8 (count, 3, size, size).

    Raises
    ------
    ValueError
        If the patches would be larger than the photographs.

    Examples
    --------
    >>> photo_patches(4, 16).shape
    torch.Size([4, 3, 16, 16])
    """
    patches = Patches(count, size, seed).records(list(range(count)))
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).contiguous()


def _photographs() -> list[np.ndarray]:
    """uint8 (427, 640, 3) each, as scikit-learn's `load_sample_images`, without its import of seconds."""
    found = find_spec("sklearn")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "datasets" / "images"
    return [np.asarray(Image.open(folder / name)) for name in ("china.jpg", "flower.jpg")]


class Patches(RandomAccess):
    """The first `limit` of `count` patches of size × size.

    Raises
    ------
    ValueError
        If they would be larger than the photographs.
    """

    data = NAME

    def __init__(self, count: int, size: int, seed: int, limit: int | None = None) -> None:
        self.size = size
        self._photos = _photographs()
        height, width = (min(photo.shape[axis] for photo in self._photos) for axis in (0, 1))
        if not 1 <= size <= min(height, width):
            raise ValueError(f"patches of {size} px do not fit into the photographs of {height}×{width} px")
        if count < 1:
            raise ValueError(f"expected at least one patch, got {count}; set --images.patches")
        generator = np.random.default_rng([seed, 0])
        which = generator.integers(len(self._photos), size=count)
        tops = generator.integers(height - size + 1, size=count)
        lefts = generator.integers(width - size + 1, size=count)
        self._places = np.stack((which, tops, lefts), axis=1)[:limit]

    def count(self) -> int:
        return len(self._places)

    def records(self, rows: list[int]) -> list[np.ndarray]:
        """The patches as they are in the photographs: uint8 (size, size, 3)."""
        size = self.size
        return [
            self._photos[photo][top : top + size, left : left + size]
            for photo, top, left in self._places[rows].tolist()
        ]

    def name(self, row: int, record: Record) -> str:
        return f"patch {row}"
