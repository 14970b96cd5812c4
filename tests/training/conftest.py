"""Runs that take a fraction of a second, and folders of images."""

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from eigenstep.training import CheckpointConfig, ImagesConfig, RecordConfig, TrainConfig


@pytest.fixture(autouse=True, scope="session")
def _datasets_cache(tmp_path_factory):
    """What the datasets library prepares stays within the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture
def small_config() -> Callable[..., TrainConfig]:
    """`small_config(loss="simclr", steps=5)`: a run on 64 patches of 16 px, batches of 16, one thread."""
    base = TrainConfig(
        steps=24,
        batch_size=16,
        threads=1,
        device="cpu",
        images=ImagesConfig(size=16, patches=64),
        record=RecordConfig(every=5, probe=12, directions=4),
        checkpoint=CheckpointConfig(every=7),
    )
    return lambda **changes: dataclasses.replace(base, **changes)


@pytest.fixture
def folder_bytes() -> Callable[[Path], dict[str, bytes]]:
    """`folder_bytes(run)`: what every file of a run folder holds, but for how long things took.

    An optimiser's state is told by its tensors, since torch's archives need not be equal bit by bit.
    """

    def read(folder: Path) -> dict[str, bytes]:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {
            str(path.relative_to(folder)): _optimizer_bytes(path)
            if path.suffix == ".pt"
            else path.read_bytes()
            for path in files
            if path.name != "timings.jsonl"
        }

    return read


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """`noise(height, width, channels, seed=0)`: uint8 pixels of any value."""

    def draw(*shape: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng([seed, *shape]).integers(0, 256, shape, dtype=np.uint8)

    return draw


@pytest.fixture
def encoded(noise) -> Callable[..., bytes]:
    """`encoded(seed)`: the bytes of a PNG of 16 × 16 pixels."""

    def encode(seed: int = 0, kind: str = "png") -> bytes:
        content = io.BytesIO()
        Image.fromarray(noise(16, 16, 3, seed=seed)).save(content, kind)
        return content.getvalue()

    return encode


@pytest.fixture
def write_parquet(tmp_path) -> Callable[..., Path]:
    """`write_parquet({"img": [record, ...], "y": [...]}, images=["img"])`: a folder as the hub has them."""

    def write(
        columns: dict[str, list[Any]], images: list[str], name: str = "parquet", split: str = "train"
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        table = pa.table(
            {key: pa.array(rows, kind if key in images else None) for key, rows in columns.items()}
        )
        features = {key: {"_type": "Image"} for key in images} | {
            key: {"_type": "Value", "dtype": "int64"} for key in columns if key not in images
        }
        described = {"huggingface": json.dumps({"info": {"features": features}})} if images else None
        parquet.write_table(
            table.replace_schema_metadata(described), folder / f"{split}-00000-of-00001.parquet"
        )
        return folder

    return write


@pytest.fixture
def load_weights() -> Callable[..., None]:
    """`load_weights(encoder, checkpoint)`: put a checkpoint's weights into an encoder."""

    def load(encoder: Any, checkpoint: Path) -> None:
        from safetensors.torch import load_file

        encoder.backbone.load_state_dict(load_file(checkpoint / "backbone.safetensors"))
        encoder.projector.load_state_dict(load_file(checkpoint / "projector.safetensors"))

    return load


@pytest.fixture
def epoch_order() -> Callable[..., np.ndarray]:
    """`epoch_order(config, images, step)`: which images a step sees, as the documentation says."""

    def rows(config: TrainConfig, images: int, step: int) -> np.ndarray:
        epoch, position = divmod(step, images // config.batch_size)
        order = np.random.default_rng([config.seed, 0, epoch]).permutation(images)
        return order[position * config.batch_size : (position + 1) * config.batch_size]

    return rows


@pytest.fixture
def two_ranks(tmp_path) -> Callable[..., list[Any]]:
    """`two_ranks("runs", {...})`: what a job of rank_worker.py gives in each of two gloo processes."""

    def run(name: str, arguments: dict[str, Any]) -> list[Any]:
        import torch

        folder = tmp_path / f"ranks-{name}"
        folder.mkdir(exist_ok=True)
        torch.save({"name": name, "arguments": arguments}, folder / "job.pt")
        worker = Path(__file__).with_name("rank_worker.py")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, str(worker), str(folder)], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]

    return run


def _optimizer_bytes(path: Path) -> bytes:
    import torch

    state = torch.load(path, weights_only=True)["optimizer"]
    content = io.StringIO()
    with np.printoptions(threshold=10**9, floatmode="unique"):
        print(state["param_groups"], file=content)
        for index, entry in sorted(state["state"].items()):
            for name, value in sorted(entry.items()):
                raw = value.detach().numpy().tobytes().hex() if torch.is_tensor(value) else repr(value)
                print(index, name, raw, file=content)
    return content.getvalue().encode()
