"""Positive pairs of real images for the kernel benchmarks."""

from pathlib import Path

import numpy as np
import torch

from eigenstep.training import ImagesConfig, load_images
from eigenstep.views import TwoViews, ViewsConfig

CIFAR10 = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"


def image_pairs(n_pairs: int, data: Path = CIFAR10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two views of each image, (n, 3072) float32 each; say so and end if images are missing."""
    if not data.is_dir():
        _skip(f"{data} is missing; pass --data FOLDER with {n_pairs:,} images or more")
    images = load_images(str(data), ImagesConfig(size=32, limit=n_pairs)).images
    if len(images) < n_pairs:
        _skip(f"{data} has {len(images):,} images, {n_pairs:,} are needed")
    views = TwoViews(ViewsConfig(crop_scale=(0.3, 1.0)), image_size=32)
    generator = torch.Generator().manual_seed(seed)
    halves = [views(batch, generator) for batch in images.split(1000)]
    first, second = (torch.cat(half).flatten(1).numpy() for half in zip(*halves, strict=True))
    return first, second


def _skip(reason: str) -> None:
    print(f"skipped: {reason}")
    raise SystemExit(0)
