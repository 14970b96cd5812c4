"""Decoding JPEGs: each decoder alone, an image as it is stored, and a stream with workers.

    python benchmarks/decoding.py [--data FOLDER] [--images 3000] [--turns 5] [--workers 0 1 2]

First microseconds of processor time an image on one thread, decoders taking turns in this process: Pillow,
torchvision and simplejpeg alone, to RGB in memory; then what Eigenstep does for an image, by simplejpeg and,
as if that were missing, by Pillow. Then images a second of a stream by the clock, which wants idle cores: the
load is printed. Medians, and the range over turns.
"""

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, Pixels, open_images
from eigenstep.images.decoding import BytesImage
from eigenstep.images.stored import StoredFormat
from eigenstep.machine import set_threads

IMAGENETTE = Path(__file__).resolve().parents[2] / "shared" / "data" / "imagenette96"
SIZE, BATCH = 96, 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=IMAGENETTE, help="folder of Parquet files with JPEGs")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; pass --data FOLDER")
        return
    set_threads(1)
    contents = jpegs(options.data, options.images)
    stored = StoredFormat(ImagesConfig(size=SIZE), Pixels())
    records = [BytesImage(content) for content in contents]
    ways: dict[str, Callable[[], object]] = {
        "Pillow alone": lambda: [pillow(content) for content in contents],
        "stored, by simplejpeg": lambda: [stored.square(record) for record in records],
        "stored, by Pillow": without_simplejpeg(lambda: [stored.square(record) for record in records]),
    } | others(contents)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.turns):
        for name, way in ways.items():
            began = time.process_time()
            way()
            times[name].append(1e6 * (time.process_time() - began) / len(contents))
    print(f"{len(contents)} JPEGs; load {os.getloadavg()[0]:.1f}; microseconds of processor time an image:")
    for name, values in times.items():
        print(f"  {name:24} {statistics.median(values):6.0f} ({min(values):.0f} - {max(values):.0f})")
    for workers in options.workers:
        rates = [streamed(options.data, workers, options.images) for _ in range(options.turns)]
        spread = f"{min(rates):,.0f} - {max(rates):,.0f}"
        print(f"streamed, {workers} workers: {statistics.median(rates):,.0f} images a second ({spread})")


def jpegs(folder: Path, count: int) -> list[bytes]:
    """The first JPEGs of a folder of Parquet files."""
    found: list[bytes] = []
    for path in sorted(folder.glob("*.parquet")):
        table = parquet.read_table(path)
        column = next(name for name in table.column_names if name.startswith("im"))
        found += [row["bytes"] for row in table[column].to_pylist()]
        if len(found) >= count:
            break
    return found[:count]


def pillow(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def without_simplejpeg(call: Callable[[], object]) -> Callable[[], object]:
    """The call as where the package is missing."""

    def run() -> object:
        held = sys.modules.get("simplejpeg")
        sys.modules["simplejpeg"] = None  # type: ignore[assignment]
        try:
            return call()
        finally:
            del sys.modules["simplejpeg"]
            if held is not None:
                sys.modules["simplejpeg"] = held

    return run


def others(contents: list[bytes]) -> dict[str, Callable[[], object]]:
    """Decoders that are there."""
    from torchvision.io import decode_jpeg

    tensors = [torch.frombuffer(bytearray(content), dtype=torch.uint8) for content in contents]
    found: dict[str, Callable[[], object]] = {
        "torchvision alone": lambda: [decode_jpeg(tensor) for tensor in tensors]
    }
    try:
        import simplejpeg
    except ImportError:
        return found
    return found | {"simplejpeg alone": lambda: [simplejpeg.decode_jpeg(content) for content in contents]}


def streamed(data: Path, workers: int, count: int) -> float:
    """Images a second of a stream, after its first batch."""
    config = ImagesConfig(size=SIZE, stream="always", workers=workers, split="train")
    images = open_images(str(data), config, seed=0, batch_size=BATCH, device=torch.device("cpu"))
    batches = images.batches(0)
    next(batches)
    began, steps = time.perf_counter(), max(count // BATCH, 1)
    for _ in islice(batches, steps):
        pass
    seconds = time.perf_counter() - began
    batches.close()
    return steps * BATCH / seconds


if __name__ == "__main__":
    main()
