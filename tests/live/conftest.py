"""Runs written by the real writer, and a real server on a folder of them."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from eigenstep.live import RunsFolder, build_app
from eigenstep.live._serve import listen
from eigenstep.spectrum import RecordWriter

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
def write_run(tmp_path: Path) -> Callable[..., Writer]:
    """`write_run(name, rows)` begins a run in the test's own folder."""
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


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    listener = listen(port)
    server = uvicorn.Server(uvicorn.Config(build_app(RunsFolder(folder)), log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable:
    """`with serve(folder) as address`"""
    return serving
