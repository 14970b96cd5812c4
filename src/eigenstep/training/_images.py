"""Unlabelled images in memory: photographs' patches, folders, Parquet files, the Hugging Face hub."""

import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from eigenstep.training._config import ImagesConfig, nearest

HUB_NAMES = {"cifar10": "uoft-cs/cifar10"}


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
    the column or split does not exist, or an image is broken and `config.on_broken` is "refuse".

    >>> load_images("photos", ImagesConfig(size=32, patches=10)).images.shape
    torch.Size([10, 3, 32, 32])
    """
    if data == "photos":
        return ImageSet(
            photo_patches(config.patches, config.stored_size or config.size, seed)[: config.limit]
        )
    size = config.stored_size or config.size
    total, records = _open_dataset(data, config)
    images, broken, enlarged = [], [], 0
    for index, record in enumerate(records):
        if progress and (index % 500 == 0 or index + 1 == total):
            progress(index + 1, total)
        try:
            image = decode(record)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            broken.append(_name(record, data, index))
            if config.on_broken == "refuse":
                raise ValueError(
                    f"{data}: {broken[0]} cannot be decoded; mend it, or use --images.on-broken skip"
                ) from error
            continue
        enlarged += min(image.size) < size
        if image.size != (size, size):
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        images.append(np.asarray(image))
    if not images:
        raise ValueError(
            f"{data}: none of its {total} images can be decoded, for example {', '.join(broken[:3])}"
        )
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return ImageSet(stacked, broken, enlarged)


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


def decode(record: dict[str, Any]) -> Image.Image:
    """An RGB image from encoded bytes or a path; upright by its EXIF tag.

    Transparency is laid on white, 16-bit grey is scaled to 8 bits, CMYK and palettes are converted.
    """
    content = record["bytes"]
    image: Image.Image = Image.open(io.BytesIO(content) if content else record["path"])
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    """16-bit levels to 8 bits; floating-point images are taken to lie in [0, 1]."""
    top = 1.0 if pixels.dtype.kind == "f" and pixels.max(initial=0) <= 1 else 65535.0
    return np.round(np.clip(pixels / top, 0, 1) * 255).astype(np.uint8)


def _open_dataset(data: str, config: ImagesConfig) -> tuple[int, Iterable[dict[str, Any]]]:
    """The number of images and their undecoded records."""
    import datasets  # slow to import and not needed for the photographs

    column = datasets.Image(decode=False)
    table = _load_split(data, config.split)
    columns = [name for name, kind in table.features.items() if isinstance(kind, datasets.Image)]
    name = config.column or (columns[0] if len(columns) == 1 else None)
    if name not in columns:
        raise ValueError(
            f"{data}: expected --images.column to name one of its image columns"
            f" ({', '.join(columns) or 'none'}), got {config.column}; it has {', '.join(table.features)}"
        )
    table = table.select_columns([name]).cast_column(name, column)
    if config.limit is not None:
        table = table.select(range(min(config.limit, len(table))))
    return len(table), (row[name] for row in table)


def _load_split(data: str, split: str) -> Any:
    import datasets

    source = _source(data)
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(source)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        where = "in the folder" if Path(source).is_dir() else "on the Hugging Face hub"
        raise ValueError(f"{data}: no images or Parquet files could be read {where} ({reason})") from error
    if split not in splits:
        raise ValueError(f"{data} has no split {split!r}; set --images.split to one of {', '.join(splits)}")
    return splits[split]


def _source(data: str) -> str:
    """A folder or a name on the hub; raises if it can be neither."""
    path = Path(data).expanduser()
    if path.is_dir():
        if not any(files for _, _, files in os.walk(path)):
            raise ValueError(f"{data} is an empty folder; expected images or Parquet files in it")
        return str(path)
    if path.exists():
        raise ValueError(f"{data} is a file; expected a folder of images or of Parquet files")
    source = HUB_NAMES.get(data, data)
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return source
    if "/" in data or data.startswith("."):
        raise FileNotFoundError(f"there is no folder {data}")
    raise ValueError(
        f"unknown data set {data!r}: expected photos, cifar10, a folder, or OWNER/NAME on the hub."
        + nearest(data, ["photos", *HUB_NAMES])
    )


def _name(record: dict[str, Any], data: str, index: int) -> str:
    """A file's path within the folder, or the image's place in the table."""
    path = record["path"]
    if path and record["bytes"] is None:
        return os.path.relpath(path, Path(data).expanduser())
    return f"image {index}" + (f" ({path})" if path else "")
