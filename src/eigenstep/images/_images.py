"""Unlabelled images in memory: photographs' patches, folders, Parquet files, the Hugging Face hub."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.datasets import load_sample_images

from eigenstep.images._config import ImagesConfig
from eigenstep.images._decode import decode_square
from eigenstep.images._memory import check_memory
from eigenstep.images._open_dataset import find_source
from eigenstep.images._stream import Stream, open_stream
from eigenstep.images._table import Table, open_table

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageSet:
    """Images of one size, with what happened while they were read.

    Attributes
    ----------
    images : uint8 (n, 3, size, size)
    broken : names of the images that could not be decoded and were skipped
    enlarged : how many images were smaller than `size` and were enlarged
    """

    images: torch.Tensor
    broken: list[str] = field(default_factory=list)
    enlarged: int = 0

    def __len__(self) -> int:
        return len(self.images)


def load_images(data: str, config: ImagesConfig, seed: int = 0, progress: Progress | None = None) -> ImageSet:
    """Read the images that `data` names; see `TrainConfig.data`.

    Parameters
    ----------
    progress : called now and then with the number of images done and the number in all

    Raises ValueError or FileNotFoundError in one line if the name is unknown, the folder holds no images,
    the column or split does not exist, the images would not fit into memory, or an image is broken and
    `config.on_broken` is "refuse".

    >>> load_images("photos", ImagesConfig(size=32, patches=10)).images.shape
    torch.Size([10, 3, 32, 32])
    """
    if data == "photos":
        return load_photos(config, seed)
    source = find_source(data)
    opened: Table | Stream
    if source.kind == "tars":
        opened = open_stream(source, config)
    else:
        opened = open_table(source, config)
    return read_images(opened, config, progress)[0]


def load_photos(config: ImagesConfig, seed: int) -> ImageSet:
    """Patches of the sample photographs, as `--data photos` names them."""
    size = config.stored_size or config.size
    check_memory("photos", config.patches, size, "set a smaller --images.patches")
    return ImageSet(photo_patches(config.patches, size, seed)[: config.limit])


def read_images(
    opened: Table | Stream, config: ImagesConfig, progress: Progress | None = None
) -> tuple[ImageSet, np.ndarray]:
    """All images that can be decoded, and which they are: (n,) places in the data set."""
    size = config.stored_size or config.size
    data, total = opened.data, opened.count()
    check_memory(data, total, size, "use --images.stream auto, or set a smaller --images.limit")
    images = torch.empty((total, 3, size, size), dtype=torch.uint8)
    pixels = images.numpy()
    kept, broken, enlarged = list[int](), list[str](), 0
    for index, sample in enumerate(opened.samples()):
        if progress and (index % 500 == 0 or index + 1 == total):
            progress(index + 1, total)
        try:
            pixels[len(kept)], small = decode_square(sample.record, size)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            broken.append(sample.name)
            if config.on_broken == "refuse":
                raise ValueError(broken_image(data, broken[0])) from error
            continue
        kept.append(index)
        enlarged += small
    if not kept:
        raise ValueError(no_images(data, total, broken))
    return ImageSet(images[: len(kept)], broken, enlarged), np.array(kept)


def broken_image(data: str, name: str) -> str:
    """What is said where a broken image is refused."""
    return f"{data}: {name} cannot be decoded; mend it, or use --images.on-broken skip"


def no_images(data: str, total: int, broken: list[str]) -> str:
    """What is said where nothing can be decoded."""
    return f"{data}: none of its {total} images can be decoded, for example {', '.join(broken[:3])}"


def photo_patches(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Patches cut at random places from scikit-learn's two sample photographs (427×640), uint8
    (count, 3, size, size).

    Raises ValueError if the patches would be larger than the photographs.
    """
    photos = load_sample_images().images
    height, width = (min(photo.shape[axis] for photo in photos) for axis in (0, 1))
    if not 1 <= size <= min(height, width):
        raise ValueError(f"patches of {size} px do not fit into the photographs of {height}×{width} px")
    if count < 1:
        raise ValueError(f"expected at least one patch, got {count}; set --images.patches")
    generator = np.random.default_rng([seed, 0])
    which = generator.integers(len(photos), size=count)
    tops = generator.integers(height - size + 1, size=count)
    lefts = generator.integers(width - size + 1, size=count)
    patches = [
        photos[photo][top : top + size, left : left + size]
        for photo, top, left in zip(which, tops, lefts, strict=True)
    ]
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).contiguous()
