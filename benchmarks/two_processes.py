"""Two processes of one thread, joined by gloo, beside one process with two threads, on the same work.

    python benchmarks/two_processes.py [training kernel ntk] [--turns 3]

training   two steps of a ResNet-18 at 32 px, SimCLR, batch 64 (32 a process), bfloat16 where the CPU has it
kernel     50 modes of 8,000 views of 512 features, rbf, block Krylov iteration
ntk        10 modes of 400 views under a convnet's tangent kernel, whose matrix each process computes whole

Each is timed within its process, after a first one that is not counted; both take turns. More than 1 means
that two processes are faster.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LAYOUTS = {
    "one process, two threads": (2, [sys.executable]),
    "two processes, one thread each": (
        1,
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    ),
}


def training(threads: int) -> Callable[[], float]:
    from eigenstep.training import ImagesConfig, Progress, RecordConfig, TrainConfig, train

    def measured() -> float:
        times: dict[int, float] = {}

        def follow(progress: Progress) -> None:
            if progress.stage == "training":
                times[progress.done] = time.perf_counter()

        config = TrainConfig(
            data="photos",
            loss="simclr",
            backbone="resnet18",
            batch_size=64,
            steps=5,
            threads=threads,
            device="cpu",
            precision="auto",
            images=ImagesConfig(size=32, patches=512),
            record=RecordConfig(every=1000, probe=0),
        )
        folder = Path(os.environ["EIGENSTEP_SCRATCH"]) / "run"
        train(config, folder, overwrite=True, progress=follow)
        # Of processes the first one alone is told.
        return times[4] - times[2] if times else 0.0

    return measured


def kernel(threads: int) -> Callable[[], float]:
    from eigenstep import ContrastiveKernelPCA

    rng = np.random.default_rng(0)
    x = np.sin(rng.normal(size=(4000, 20)) @ rng.normal(size=(20, 512))).astype(np.float32)
    y = x + 0.2 * rng.normal(size=x.shape).astype(np.float32)
    return _fitted(ContrastiveKernelPCA(50, kernel="rbf", gamma=1 / 512, **_options(threads)), x, y)


def ntk(threads: int) -> Callable[[], float]:
    import torch
    from ntk_networks import convnet

    from eigenstep import ContrastiveKernelPCA
    from eigenstep.kernel import NTKKernel

    torch.manual_seed(0)
    x = torch.randn(200, 3, 32, 32)
    model = ContrastiveKernelPCA(10, kernel=NTKKernel(convnet().eval()), **_options(threads))
    return _fitted(model, x, x + 0.1 * torch.randn(x.shape))


def _options(threads: int) -> dict[str, object]:
    return {"y_is": "view", "solver": "krylov", "random_state": 0, "distributed": threads == 1}


def _fitted(model: object, x: object, y: object) -> Callable[[], float]:
    def measured() -> float:
        start = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - start

    return measured


CASES = {"training": training, "kernel": kernel, "ntk": ntk}


def inside(case: str, threads: int) -> None:
    from eigenstep.machine import set_threads

    set_threads(threads)
    measured = CASES[case](threads)
    measured()
    took = measured()
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(took))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = options.cases or list(CASES)
    if unknown := set(cases) - set(CASES):
        parser.error(f"expected cases among {', '.join(CASES)}, got {', '.join(sorted(unknown))}")
    if options.inside:
        inside(cases[0], options.inside)
        return
    print("| work | one process, s | two processes, s | times as fast |")
    print("| --- | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            took: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
            for _ in range(options.turns):
                for layout, (threads, command) in LAYOUTS.items():
                    done = subprocess.run(
                        [*command, __file__, case, "--inside", str(threads)],
                        env=os.environ | {"EIGENSTEP_SCRATCH": folder, "OMP_NUM_THREADS": str(threads)},
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                    )
                    took[layout].append(json.loads(done.stdout.splitlines()[-1]))
            ratios = [one / two for one, two in zip(*took.values(), strict=True)]
            medians = " | ".join(f"{statistics.median(values):.2f}" for values in took.values())
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
            print(f"| {case} | {medians} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
