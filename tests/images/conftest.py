"""Small data sets whose images tell which row they are."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from eigenstep.images import ImagesConfig, open_images

SIZE = 4


@pytest.fixture
def png() -> Callable[[int], bytes]:
    """`png(row)`: an image of one colour, from which `rows_of` reads the row again."""

    def encode(row: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", (SIZE, SIZE), (row % 256, row // 256, 77)).save(content, "png")
        return content.getvalue()

    return encode


@pytest.fixture
def rows_of() -> Callable[[torch.Tensor], list[int]]:
    """`rows_of(images)`: which rows they show; fails if an image is none that `png` has made."""

    def read(images: torch.Tensor) -> list[int]:
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, SIZE, SIZE)
        assert (images == images[:, :, :1, :1]).all()
        assert (images[:, 2] == 77).all()
        return (images[:, 0, 0, 0].long() + 256 * images[:, 1, 0, 0].long()).tolist()

    return read


@pytest.fixture
def write_tars(tmp_path) -> Callable[..., Path]:
    """`write_tars({"train-0.tar": [("a", {"png": b"...", "cls": b"1"}), ...]})`: a folder of shards."""

    def write(shards: dict[str, list[tuple[str, dict[str, bytes]]]], folder: str = "tars") -> Path:
        for path, samples in shards.items():
            target = tmp_path / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(target, "w") as archive:
                for name, files in samples:
                    for ending, content in files.items():
                        member = tarfile.TarInfo(f"{name}.{ending}")
                        member.size = len(content)
                        archive.addfile(member, io.BytesIO(content))
        return tmp_path / folder

    return write


@pytest.fixture
def data_of(write_parquet, write_tars, png) -> Callable[..., Path]:
    """`data_of("tars", 10, broken={3}, label=lambda row: row % 3)`: a folder of rows 0 to 9."""

    def write(kind: str, count: int, broken=(), label=lambda row: row % 3, name: str = "data") -> Path:
        contents = [b"junk" if row in broken else png(row) for row in range(count)]
        if kind != "tars":
            records = [{"bytes": content, "path": None} for content in contents]
            labels = [label(row) for row in range(count)]
            return write_parquet({"img": records, "y": labels}, images=["img"], name=f"{name}-{kind}")
        samples = [
            (f"{row:04d}", {"cls": str(label(row)).encode(), "png": content})
            for row, content in enumerate(contents)
        ]
        third = count // 3 + 1
        shards = {f"train-{part}.tar": samples[part * third : (part + 1) * third] for part in range(3)}
        return write_tars(shards, f"{name}-{kind}")

    return write


@pytest.fixture
def spoil() -> Callable[[Path, str], Path]:
    """`spoil(folder, "y")`: the column's content in the folder's Parquet file becomes junk."""

    def overwrite(folder: Path, name: str) -> Path:
        path = next(folder.iterdir())
        parquet.write_table(parquet.read_table(path), path, compression="none", use_dictionary=False)
        group = parquet.ParquetFile(path).metadata.row_group(0)
        chunk = next(c for i in range(group.num_columns) if (c := group.column(i)).path_in_schema == name)
        content = bytearray(path.read_bytes())
        content[chunk.data_page_offset : chunk.data_page_offset + chunk.total_compressed_size] = (
            b"\xff" * chunk.total_compressed_size
        )
        path.write_bytes(content)
        return folder

    return overwrite


@pytest.fixture
def as_on_hub(monkeypatch):
    """`as_on_hub(folder)`: a name under which it is read as if it were on the hub; no network is needed."""

    def name(folder: Path | str) -> str:
        monkeypatch.setattr("eigenstep.images.sources._hub.PLACES", {"hub-data": str(folder)})
        return "hub-data"

    return name


@pytest.fixture
def open_data(as_on_hub):
    """`open_data("memory", folder, batch_size=4)`: images opened for training, closed after the test.

    The kinds are memory, table (streamed in random order), tars, and hub: a table streamed in order.
    """
    opened = []

    def open_(kind: str, folder: Path, batch_size: int = 4, seed: int = 0, **options):
        config = {"size": SIZE, "workers": 0, "shuffle_buffer": 7, "stream": "never"}
        if kind != "memory":
            config["stream"] = "always"
        others = {key: options.pop(key) for key in ("rank", "processes", "labels") if key in options}
        opened.append(
            open_images(
                as_on_hub(folder) if kind == "hub" else str(folder),
                ImagesConfig(**(config | options)),
                seed=seed,
                batch_size=batch_size,
                device=torch.device("cpu"),
                **others,
            )
        )
        return opened[-1]

    yield open_
    for images in opened:
        images.close()


@pytest.fixture
def take():
    """`take(images, 5, start=2)`: the images of steps 2 to 6, (5, b, 3, S, S)."""

    def draw(images, steps: int, start: int = 0) -> torch.Tensor:
        batches = images.batches(start)
        try:
            return torch.stack([next(batches).images for _ in range(steps)])
        finally:
            batches.close()

    return draw


@pytest.fixture
def permutation() -> Callable[[int, int, int], np.ndarray]:
    """`permutation(seed, epoch, count)`: the order of an epoch in random access."""
    return lambda seed, epoch, count: np.random.default_rng([seed, 0, epoch]).permutation(count)
