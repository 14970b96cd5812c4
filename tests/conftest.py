"""Runs that take a fraction of a second, folders of images, and run folders written by the real writer."""

import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from eigenstep.encoders import Encoder, ProjectorConfig, build_encoder, copy_weights
from eigenstep.images import ImagesConfig
from eigenstep.machine import set_threads
from eigenstep.record import RecordWriter, RunRecord, read_record
from eigenstep.training import CheckpointConfig, RecordConfig, TrainConfig, dump_config
from eigenstep.views import ViewsConfig

set_threads(1)


def pytest_configure() -> None:
    """Of several workers each has a core of its own: waiting threads of one would keep the others from it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


_PLAIN = {
    "data": "photos",
    "loss": "barlow_twins",
    "seed": 0,
    "steps": 300,
    "optimizer": {"name": "sgd", "lr": 0.005, "schedule": "constant", "cosine_steps": None},
    "embedding_preconditioner": {"power": None, "damping": 0.001, "decay": 0.9, "every": None},
    "record": {"every": 1},
}
_DIM, _IMAGES = 6, 40


def _configuration(**changes: Any) -> dict[str, Any]:
    """The plain run's, with other values of some names; a branch takes over what it does not name."""
    tree = {name: dict(value) if isinstance(value, dict) else value for name, value in _PLAIN.items()}
    for name, value in changes.items():
        tree[name] = tree[name] | value if isinstance(value, dict) else value
    return tree


def _forge_run(
    path: Path,
    half_steps: Sequence[float],
    *,
    config: dict[str, Any] | None = None,
    rate: float = 0.01,
    steps: int = 300,
    functions: np.ndarray | None = None,
    directions: int = _DIM,
    probe: np.ndarray | None = None,
    seconds: Sequence[float] | None = None,
    metrics: dict[str, Sequence[float]] | None = None,
    **summary: Any,
) -> RunRecord:
    """Eigenvalues 1 / (1 + exp((half - step) / 2)); the probe batch's modes are the columns of `functions`.

    Parameters
    ----------
    half_steps
        The step at which each mode is half learned; those that are not given stay at 1e-6.
    rate
        t = rate × step.
    seconds
        At each step, the clock of the process that trains.
    """
    writer = RecordWriter(
        path, _DIM, probe=_IMAGES, directions=directions, config=yaml.safe_dump(config or _configuration())
    )
    writer.write_probe(np.zeros((_IMAGES, 4, 4, 3), np.uint8) if probe is None else probe)
    functions = _orthogonal(0) if functions is None else functions
    for step in range(steps):
        values = np.full(_DIM, 1e-6)
        values[: len(half_steps)] = 1 / (1 + np.exp((np.array(half_steps) - step) / 2))
        order = np.argsort(-values, kind="stable")
        points = (functions * np.sqrt(values))[:, order][:, :directions]
        both = {"cross_correlation": values[order], "covariance": values[order]}
        more = {name: column[step] for name, column in (metrics or {}).items()}
        loss = float(((1 - values) ** 2).sum())
        writer.append(step, rate * step, both, points, loss=loss, learning_rate=rate, **more)
        if seconds is not None:
            writer.append_to("timings", {"step": step, "seconds": seconds[step]})
    if summary:
        writer.finish("finished", steps - 1, **summary)
    return read_record(path)


def _orthogonal(seed: int) -> np.ndarray:
    """Centred functions on the images, orthonormal up to the root of how many, (_IMAGES, _DIM)."""
    drawn = np.random.default_rng(seed).normal(size=(_IMAGES, _DIM))
    return np.linalg.qr(drawn - drawn.mean(0))[0] * np.sqrt(_IMAGES)


class Forge:
    """Run folders written by the public writer, whose modes rise at steps that are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, half_steps: Sequence[float], **how: Any) -> RunRecord:
        """See `_forge_run`."""
        return _forge_run(self.folder / name, half_steps, **how)

    configuration = staticmethod(_configuration)
    functions = staticmethod(_orthogonal)
    images = _IMAGES


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge(tmp_path)


@pytest.fixture(autouse=True)
def _one_thread():
    """A run that is begun in a test may set another number of threads, and all later tests would have it."""
    yield
    set_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _datasets_cache(tmp_path_factory):
    """What the datasets library prepares stays within the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture(scope="session")
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
        worker = Path(__file__).parent / "training" / "rank_worker.py"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
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


@pytest.fixture
def settings() -> TrainConfig:
    """A configuration in which no number that tells how images go in is a default."""
    return TrainConfig(
        seed=3,
        images=ImagesConfig(size=16, stored_size=20, patches=40),
        views=ViewsConfig(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        projector=ProjectorConfig(hidden=(12,), dim=5, batch_norm=True),
    )


@pytest.fixture
def network() -> Callable[..., Encoder]:
    """`network(config, step)`: an encoder in evaluation mode, with weights and statistics for each step."""

    def build(config: TrainConfig, step: int) -> Encoder:
        torch.manual_seed(1000 + step)
        channels = config.images.channels or 3
        encoder = build_encoder(config.backbone, config.images.size, config.projector, channels=channels)
        with torch.no_grad():
            for _ in range(3):
                encoder(torch.randn(8, channels, config.images.size, config.images.size))
        return encoder.eval()

    return build


@pytest.fixture
def write_run(tmp_path, settings, network) -> Callable[..., Path]:
    """`write_run(steps=(5, 10), best=5, backbone="resnet18")`: a run folder with such checkpoints."""

    def write(steps=(5, 10), best=None, name="run", **changes) -> Path:
        changed = dataclasses.replace(settings, **changes)
        run = tmp_path / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "config.yaml").write_text(dump_config(changed))
        folders = [(f"step_{step:08d}", step) for step in steps]
        folders += [(f"best_{best:08d}", best)] if best is not None else []
        for folder, step in folders:
            encoder = network(changed, step)
            checkpoint = run / "checkpoints" / folder
            checkpoint.mkdir()
            parts = {"backbone": encoder.backbone, "projector": encoder.projector}
            for part, weights in copy_weights(parts).items():
                save_file(dict(weights), checkpoint / f"{part}.safetensors")
        return run

    return write


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory) -> Path:
    """Images in folders `train/CLASS` and `test/CLASS`: 3 dim colours under noise, 12 + 5 images each.

    One file of the training split is no image.
    """
    folder = tmp_path_factory.mktemp("labelled")
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 5)):
        for index, name in enumerate(("blue", "green", "red")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 200, (24, 18, 3))
                pixels[..., 2 - index] += 40
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{number:02d}.png")
    (folder / "train" / "green" / "05.png").write_text("no image")
    return folder


DIM, SAMPLES, DIRECTIONS = 6, 20, 4


class Writer:
    """Writes a run in which mode k rises at step 20 (k + 1); a row at every second step."""

    def __init__(self, path: Path, dim: int = DIM, probe: bool = True) -> None:
        self.path, self.dim = path, dim
        self.writer = RecordWriter(
            path, dim, probe=SAMPLES if probe else 0, directions=DIRECTIONS if probe else 0
        )
        self.scores = np.random.default_rng(0).standard_normal((SAMPLES, DIRECTIONS)).astype("f4")
        self.step = 0

    def append(self, rows: int = 1, **metrics: float) -> "Writer":
        for _ in range(rows):
            curve = 1 / (1 + np.exp(-(self.step - 20 * (1 + np.arange(self.dim))) / 2.0))
            points = self.scores * np.sqrt(np.pad(curve, (0, DIRECTIONS))[:DIRECTIONS])
            values = {"loss": float(((1 - curve) ** 2).sum()), "learning_rate": 0.1} | metrics
            self.writer.append(
                self.step,
                0.1 * self.step,
                {"cross_correlation": curve, "covariance": curve},
                points,
                **values,
            )
            self.step += 2
        return self

    def finish(self, state: str = "finished") -> "Writer":
        (self.path / "summary.json").write_text(f'{{"state": "{state}", "step": {self.step}}}')
        return self


@pytest.fixture
def grow_run(tmp_path: Path) -> Callable[..., Writer]:
    """`grow_run(name, rows)` begins a run in the test's own folder."""
    return lambda name="run", rows=0, **options: Writer(tmp_path / name, **options).append(rows)


@pytest.fixture(scope="session")
def writer() -> type[Writer]:
    return Writer


def age(path: Path, seconds: float) -> None:
    """Let everything in a folder be as old as this."""
    moment = time.time() - seconds
    for entry in [path, *path.rglob("*")]:
        os.utime(entry, (moment, moment))


@pytest.fixture(scope="session")
def make_old() -> Callable[[Path, float], None]:
    return age


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """`save(".npz", features=array, label=array)`: a file of named arrays; an .npy file holds the first."""

    def write(suffix: str, **arrays: np.ndarray) -> Path:
        path = tmp_path / f"embeddings{suffix}"
        if suffix == ".npy":
            np.save(path, next(iter(arrays.values())))
        elif suffix == ".npz":
            np.savez(path, **arrays)
        elif suffix == ".pt":
            torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
        elif suffix == ".safetensors":
            save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
        else:
            columns = {
                name: pa.array(array)
                if array.ndim == 1
                else pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
                for name, array in arrays.items()
            }
            parquet.write_table(pa.table(columns), path, row_group_size=1000)
        return path

    return write
