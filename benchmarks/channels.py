"""Decoding and views of images of other depths and channels, beside RGB of 8 bits.

    python benchmarks/channels.py [--only rgb] [--turns 7] [--threads 2]

Kinds take turns in one process; printed are medians, their spread over the turns, and the ratio to RGB of the
same turn. `--only rgb` does the work that every release does, for two of them to be timed in pairs.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, load_images
from eigenstep.views import TwoViews, ViewsConfig

SIDE, FILES, BATCH = 96, 400, 256


def pattern(seed: int, channels: int, kind: str) -> np.ndarray:
    """Smooth pictures (SIDE, SIDE, channels): noise would be no work for a decoder that anyone has."""
    small = np.random.default_rng(seed).uniform(size=(8, 8, channels))
    large = np.stack(
        [
            np.asarray(Image.fromarray(small[:, :, c].astype("f4")).resize((SIDE, SIDE)))
            for c in range(channels)
        ],
        2,
    )
    return (large * np.iinfo(kind).max).astype(kind)


def write_files(folder: Path, kind: str, channels: int, suffix: str) -> str:
    folder.mkdir()
    for number in range(FILES):
        values = pattern(number, channels, kind)
        if suffix == ".tif":
            import tifffile

            tifffile.imwrite(
                folder / f"{number}.tif", values, photometric="minisblack", planarconfig="contig"
            )
        else:
            Image.fromarray(values[:, :, 0] if channels == 1 else values).save(folder / f"{number}{suffix}")
    return str(folder)


def decoding(root: Path, only: str | None) -> dict[str, Callable[[], object]]:
    kinds = {
        "JPEG, 3 x 8 bits": ("uint8", 3, ".jpg"),
        "PNG, 1 x 8 bits": ("uint8", 1, ".png"),
        "PNG, 1 x 16 bits": ("uint16", 1, ".png"),
        "TIFF, 12 x 8 bits": ("uint8", 12, ".tif"),
        "TIFF, 12 x 16 bits": ("uint16", 12, ".tif"),
    }
    tasks = {}
    for number, (name, kind) in enumerate(list(kinds.items())[: 1 if only else None]):
        folder = write_files(root / str(number), *kind)
        tasks[name] = lambda folder=folder: load_images(folder, ImagesConfig(size=64, stream="never"))
    return tasks


def views(side: int, config: dict[str, Any], only: str | None) -> dict[str, Callable[[], object]]:
    tasks = {}
    for channels, kind in ((3, "uint8"), (1, "uint8"), (12, "uint8"), (12, "uint16"))[: 1 if only else None]:
        images = torch.from_numpy(
            np.random.default_rng(0).integers(0, np.iinfo(kind).max, (BATCH, channels, side, side), kind)
        )
        scale = {"normalize": "data", "mean": (0.5,) * channels, "std": (0.25,) * channels}
        settings = ViewsConfig(**config, **(scale if channels != 3 else {}))
        if not only:
            settings = settings.for_channels(channels)
        make = TwoViews(settings, side)
        tasks[f"{channels} x {kind}"] = lambda make=make, images=images: make(
            images, torch.Generator().manual_seed(0)
        )
    return tasks


def measure(title: str, tasks: dict[str, Callable[[], object]], count: int, turns: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(turns + 1):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            if turn:  # the first one warms up
                seconds[name].append(time.perf_counter() - began)
    first = next(iter(seconds.values()))
    print(f"\n{title}")
    for name, each in seconds.items():
        rates = sorted(count / value for value in each)
        ratio = statistics.median(own / other for own, other in zip(each, first, strict=True))
        print(
            f"  {name:22} {statistics.median(rates):9,.0f} a second"
            f" ({rates[0]:,.0f} to {rates[-1]:,.0f}), {ratio:.2f} times RGB's time"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["rgb"])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"load {os.getloadavg()[0]:.2f}, {arguments.threads} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as root:
        measure(
            "decoded to 64 px, files of 96 px, one process",
            decoding(Path(root), arguments.only),
            FILES,
            arguments.turns,
        )
    measure("views at 32 px", views(32, {}, arguments.only), 2 * BATCH, arguments.turns)
    blurred = {"blur_probability": 0.5}
    measure("views at 96 px with blur", views(96, blurred, arguments.only), 2 * BATCH, arguments.turns)
    print(f"\nload {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
