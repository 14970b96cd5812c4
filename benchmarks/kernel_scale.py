"""ContrastiveKernelPCA at scale, each case in a process of its own with its time and peak memory.

    nystrom    100,000 pairs in 256 dimensions, 1,000 landmarks, float32, rbf
    exact      20,000 pairs (N = 40,000) in 256 dimensions, every eigenvalue to a measured residual
    streamed   1,000,000 pairs of 256 dimensions in two .npy files on disk, one pass

Data are smooth functions of 20 hidden variables plus noise; views differ by noise. Peak memory is the largest
resident set of the process, Python and PyTorch included. A case runs `--repeats` times; the machine's limits
are printed beside it.

    python benchmarks/kernel_scale.py [nystrom exact streamed] [--repeats 3] [--scratch FOLDER]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from eigenstep import ContrastiveKernelPCA
from eigenstep.machine import set_threads

FEATURES, HIDDEN, BATCH = 256, 20, 50_000


def batches(n_pairs: int, seed: int = 0):
    """Yield (first, second) views, float32, a batch at a time."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(HIDDEN, FEATURES)).astype(np.float32) / HIDDEN**0.5
    scales = (np.arange(1, HIDDEN + 1) ** -0.5).astype(np.float32)
    for start in range(0, n_pairs, BATCH):
        size = min(BATCH, n_pairs - start)
        hidden = rng.standard_normal((size, HIDDEN), dtype=np.float32) * scales
        yield tuple(
            np.sin((hidden + 0.2 * rng.standard_normal(hidden.shape, dtype=np.float32)) @ mixing * 2)
            for _ in range(2)
        )


def in_memory(n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*batches(n_pairs), strict=True)
    return np.concatenate(first), np.concatenate(second)


def write_pairs(folder: Path, n_pairs: int) -> None:
    files = [
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.float32, shape=(n_pairs, FEATURES))
        for name in ("first.npy", "second.npy")
    ]
    for at, views in enumerate(batches(n_pairs)):
        for file, view in zip(files, views, strict=True):
            file[at * BATCH : at * BATCH + len(view)] = view


def nystrom(_: Path) -> tuple[ContrastiveKernelPCA, float]:
    x, y = in_memory(100_000)
    model = ContrastiveKernelPCA(50, gamma=1 / FEATURES, y_is="view", solver="nystrom", random_state=0)
    # The libraries start on a small problem, outside the clock.
    model.fit(x[:4000], y[:4000])
    return timed(model, x, y)


def exact(_: Path) -> tuple[ContrastiveKernelPCA, float]:
    x, y = in_memory(20_000)
    return timed(
        ContrastiveKernelPCA(50, gamma=1 / FEATURES, y_is="view", solver="krylov", random_state=0, verbose=1),
        x,
        y,
    )


def streamed(folder: Path) -> tuple[ContrastiveKernelPCA, float]:
    x, y = (np.load(folder / name, mmap_mode="r") for name in ("first.npy", "second.npy"))
    model = ContrastiveKernelPCA(
        50, gamma=1 / FEATURES, y_is="view", solver="nystrom", random_state=0, verbose=1
    )
    return timed(model, x, y)


def timed(model: ContrastiveKernelPCA, x: np.ndarray, y: np.ndarray) -> tuple[ContrastiveKernelPCA, float]:
    started = time.perf_counter()
    model.fit(x, y)
    return model, time.perf_counter() - started


CASES = {"nystrom": nystrom, "exact": exact, "streamed": streamed}


def peak_memory() -> float:
    """Return this process's largest resident set in GiB; `ru_maxrss` would begin at its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def limits() -> str:
    square = torch.randn(4096, 4096)
    products = []
    for _ in range(5):
        started = time.perf_counter()
        square @ square
        products.append(time.perf_counter() - started)
    return f"{2 * 4096**3 / min(products) / 1e9:.0f} GFLOP/s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--scratch", type=Path, default=None, help="where the streamed case writes 2 GB")
    parser.add_argument("--inside", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = arguments.cases or list(CASES)
    if unknown := set(cases) - set(CASES):
        parser.error(f"expected cases among {', '.join(CASES)}, got {', '.join(sorted(unknown))}")
    set_threads(arguments.threads)
    if arguments.inside:
        model, took = CASES[arguments.inside](arguments.scratch)
        peak = peak_memory()
        print(json.dumps([took, peak, float(model.residuals_.max()), model.solver_]))
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        if "streamed" in cases:
            write_pairs(Path(folder), 1_000_000)
        for case in cases:
            results, roofs = [], []
            for _ in range(1 if case != "nystrom" else arguments.repeats):
                roofs.append(limits())
                command = [sys.executable, __file__, "--inside", case, "--scratch", folder]
                run = subprocess.run(
                    [*command, "--threads", str(arguments.threads)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                results.append(json.loads(run.stdout.splitlines()[-1]))
            times = [result[0] for result in results]
            print(
                f"{case:9s} {statistics.median(times):7.2f} s ({min(times):.2f} - {max(times):.2f}), peak"
                f" memory {max(result[1] for result in results):.2f} GiB, worst residual {results[0][2]:.1e};"
                f" {results[0][3]}; limit just before: {', '.join(roofs)}"
            )


if __name__ == "__main__":
    main()
