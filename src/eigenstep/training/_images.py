"""Unlabelled images in memory: photographs' patches, folders, Parquet files, the Hugging Face hub."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from eigenstep.training._config import ImagesConfig
from eigenstep.training._decode import decode
from eigenstep.training._open_dataset import open_dataset

# How much of the machine's memory the images may take: training needs room beside them.
MEMORY_SHARE = 0.8


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


def load_images(
    data: str, config: ImagesConfig, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> ImageSet:
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
    size = config.stored_size or config.size
    if data == "photos":
        _check_memory(data, config.patches, size, "--images.patches")
        return ImageSet(photo_patches(config.patches, size, seed)[: config.limit])
    total, records = open_dataset(data, config)
    _check_memory(data, total, size, "--images.limit")
    images = torch.empty((total, 3, size, size), dtype=torch.uint8)
    used, broken, enlarged = 0, [], 0
    for index, record in enumerate(records):
        if progress and (index % 500 == 0 or index + 1 == total):
            progress(index + 1, total)
        try:
            image = decode(record)
        except Exception as error:  # decoders raise SyntaxError, RuntimeError, struct.error and more
            broken.append(_name(record, data, index))
            if config.on_broken == "refuse":
                raise ValueError(
                    f"{data}: {broken[0]} cannot be decoded; mend it, or use --images.on-broken skip"
                ) from error
            continue
        enlarged += min(image.size) < size
        if image.size != (size, size):
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        images[used] = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        used += 1
    if not used:
        raise ValueError(
            f"{data}: none of its {total} images can be decoded, for example {', '.join(broken[:3])}"
        )
    return ImageSet(images[:used], broken, enlarged)


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


def _check_memory(data: str, count: int, size: int, option: str) -> None:
    if not hasattr(os, "sysconf"):  # Windows
        return
    need, memory = 3 * count * size**2, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > MEMORY_SHARE * memory:
        raise ValueError(
            f"{data}: {count} images of {size}×{size} px take {need / 2**30:.1f} GiB and this machine has"
            f" {memory / 2**30:.1f} GiB of memory; set a smaller {option}"
        )


def _name(record: dict[str, Any] | None, data: str, index: int) -> str:
    """A file's path within the folder, or the image's place in the table."""
    if record is None:
        return f"image {index}"
    path = record["path"]
    within = os.path.relpath(path, Path(data).expanduser()) if path and record["bytes"] is None else ".."
    return f"image {index}" + (f" ({path})" if path else "") if within.startswith("..") else within
