"""How cost grows: processor time and peak memory of each kind of work at three sizes, a factor of four apart.

    python benchmarks/growth.py [training monitor kernel ...] [--turns 3] [--tiny] [--markdown]

Each size is a process of its own with one thread; time is the work's own, without imports and data,
memory the largest resident set less what was held before. The exponents are those of a straight line through
the three points in logarithms: 1 means twice the cost for twice the size. --tiny shows that all of it runs.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FACTOR, SIZES = 4, 3


class Cost:
    """Processor seconds and peak memory of what is done inside `measured`."""

    seconds = 0.0
    mebibytes = 0.0

    @contextmanager
    def measured(self, times: int = 1) -> Iterator[None]:
        held, began = peak(), time.process_time()
        yield
        self.seconds = (time.process_time() - began) / times
        self.mebibytes = peak() - held


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def training(batch: int, cost: Cost) -> None:
    from eigenstep.training import RecordConfig, TrainConfig, train

    steps = 4
    for first in (True, False):  # the first run is not measured: what is imported at the first step is in it
        config = TrainConfig(
            loss="simclr",
            steps=2 if first else steps,
            batch_size=16 if first else batch,
            threads=1,
            device="cpu",
            precision="32-true",
            record=RecordConfig(every=1000, probe=0),
        )
        with tempfile.TemporaryDirectory() as folder:
            if first:
                train(config, Path(folder) / "run")
                continue
            with cost.measured(steps):
                train(config, Path(folder) / "run")


def monitor(dim: int, cost: Cost) -> None:
    import torch

    from eigenstep import SpectrumMonitor

    z = torch.randn(2, 256, dim) * torch.logspace(0, -2, dim)
    with (
        tempfile.TemporaryDirectory() as folder,
        SpectrumMonitor(folder, every=20, background=False) as spectrum,
    ):
        for _ in range(20):
            spectrum.update(z[0], z[0] + 0.1 * z[1])
        with cost.measured(20):
            for _ in range(20):
                spectrum.update(z[0], z[0] + 0.1 * z[1])


def kernel(pairs: int, cost: Cost) -> None:
    from eigenstep import ContrastiveKernelPCA

    rng = np.random.default_rng(0)
    x = np.sin(rng.normal(size=(pairs, 8)) @ rng.normal(size=(8, 64))).astype(np.float32)
    y = x + 0.2 * rng.normal(size=x.shape).astype(np.float32)
    model = ContrastiveKernelPCA(20, kernel="rbf", gamma=1 / 64, y_is="view", random_state=0)
    model.fit(x[:200], y[:200])
    with cost.measured():
        model.fit(x, y)


def ntk(images: int, cost: Cost) -> None:
    import torch
    from torch import nn

    from eigenstep.kernel import empirical_ntk

    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10, bias=False)),
    ).eval()
    x = torch.randn(images, 3, 32, 32)
    empirical_ntk(model, x[:16])
    with cost.measured():
        empirical_ntk(model, x)


def predict(pairs: int, cost: Cost) -> None:
    def arguments(count: int) -> list[str]:
        return ["predict", "--kernel", "rbf", "--pairs", str(count), "--images.patches", str(count)]

    command(cost, arguments(32), arguments(pairs))


def modes(images: int, cost: Cost) -> None:
    def arguments(count: int) -> list[str]:
        return ["modes", "photos", "--count", str(count), "--images.patches", str(count)]

    command(cost, arguments(100), arguments(images))


def augmentations(images: int, cost: Cost) -> None:
    def arguments(count: int) -> list[str]:
        size = ["--count", str(count), "--images.patches", str(count)]
        return ["augmentations", "photos", "--train", "off", *size]

    command(cost, arguments(300), arguments(images))


def compare(images: int, cost: Cost) -> None:
    rng = np.random.default_rng(0)

    def arguments(folder: str, count: int) -> list[str]:
        shared = rng.normal(size=(count, 16))
        paths = [f"{folder}/{name}-{count}.npy" for name in "ab"]
        for path in paths:
            rows = shared @ rng.normal(size=(16, 128)) + 0.5 * rng.normal(size=(count, 128))
            np.save(path, rows.astype(np.float32))
        return ["compare", *paths, "--agreement", "--resamples", "20", "--permutations", "20"]

    with tempfile.TemporaryDirectory() as folder:
        command(cost, arguments(folder, 64), arguments(folder, images))


def command(cost: Cost, small: list[str], whole: list[str]) -> None:
    """Run a command of `eigenstep` in a folder of its own: once small, so that all is imported, and whole."""
    from eigenstep.cli import main

    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            assert main([*small, "--out", "small"]) == 0
            with cost.measured():
                assert main([*whole, "--out", "whole"]) == 0
        finally:
            os.chdir(before)


# What is done, its smallest size, that of a trial, what the size is of, and what limits it.
JOBS: dict[str, tuple[Callable[[int, Cost], None], int, int, str, str]] = {
    "training": (training, 64, 4, "images a batch, small convnet, 32 px", "the network's products"),
    "monitor": (monitor, 256, 16, "dimensions, windows", "decomposing the window's rows or directions"),
    "kernel": (kernel, 1000, 60, "pairs, 20 modes, rbf", "the kernel's products with a block of vectors"),
    "ntk": (ntk, 64, 4, "images, small convnet, 10 outputs", "products of gradients, n² of them"),
    "predict": (predict, 250, 16, "pairs, rbf", "the kernel of all pairs, n²"),
    "modes": (modes, 250, 100, "images, 16 modes", "the views of all images, and their kernel, n²"),
    "augmentations": (augmentations, 300, 300, "images, without training", "views of all images"),
    "compare": (compare, 250, 64, "images, 128 dimensions, 8 measures", "neighbours and Gram matrices, n²"),
}


def cost_of(name: str, size: int, turns: int) -> tuple[float, float]:
    """Seconds and MiB, medians of some processes."""
    found = []
    for _ in range(turns):
        done = subprocess.run(
            [sys.executable, __file__, "--one", name, str(size)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{name} at {size}: {done.stderr[-2000:]}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return statistics.median(each[0] for each in found), statistics.median(each[1] for each in found)


def exponent(sizes: list[int], values: list[float]) -> str:
    """The slope of a straight line in logarithms; not told where nothing was held beyond what was there."""
    return f"{np.polyfit(np.log(sizes), np.log(values), 1)[0]:.2f}" if min(values) > 0 else "–"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", help="which; default: all")
    parser.add_argument("--turns", type=int, default=3, help="processes a size")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that it runs")
    parser.add_argument("--markdown", action="store_true", help="rows of a table for the docs")
    parser.add_argument("--one", nargs=2, metavar=("JOB", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, size = options.one
        cost = Cost()
        JOBS[name][0](int(size), cost)
        print(json.dumps([cost.seconds, cost.mebibytes]))
        return
    unknown = set(options.jobs) - set(JOBS)
    if unknown:
        parser.error(f"expected some of {', '.join(JOBS)}, got {', '.join(sorted(unknown))}")
    print(f"load {os.getloadavg()[0]:.1f}, one thread")
    if options.markdown:
        print(
            "| work | sizes | seconds | MiB | exponents | limited by |\n| --- | --- | --- | --- | --- | --- |"
        )
    for name in options.jobs or JOBS:
        _, least, trial, of, limit = JOBS[name]
        sizes = [(trial if options.tiny else least) * FACTOR**power for power in range(SIZES)]
        costs = [cost_of(name, size, options.turns) for size in sizes]
        seconds, memory = ([each[at] for each in costs] for at in (0, 1))
        slopes = f"{exponent(sizes, seconds)}, {exponent(sizes, memory)}"
        written = [" / ".join(f"{value:.3g}" for value in values) for values in (seconds, memory)]
        told = " / ".join(f"{size:,}" for size in sizes)
        row = [name, f"{told} {of}", *written, slopes, limit]
        print("| " + " | ".join(row) + " |" if options.markdown else "  ".join(row), flush=True)


if __name__ == "__main__":
    main()
