"""What share of a run's time the record of the spectrum takes at its default cadence, and what probing costs.

    python benchmarks/record_overhead.py [--turns 3] [--threads 2] [--device cpu]

For the demonstration's small convnet on patches of photographs, in float32, and for ResNet-18 at 32 px on
CIFAR-10 with the precision that the hardware is fast at. The record's share is that of the time from one
measurement to a later one, by the run's own timings. Probing (k nearest neighbours and ridge regression on
10,000 images) is timed on CIFAR-10 as what the step at which it happens takes longer than others; it is told
in steps, with the cadence from which on it takes at most two per cent.
"""

import argparse
import dataclasses
import math
import statistics
import tempfile
import time
from pathlib import Path

from eigenstep.machine import set_threads, share_cores
from eigenstep.reproduce import GENTLE_VIEWS
from eigenstep.training import ImagesConfig, ProbesConfig, Progress, RecordConfig, TrainConfig, train

CIFAR10 = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"
TARGET = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3, help="runs of each kind")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=256, help="images a step, of two views each")
    parser.add_argument("--periods", type=int, default=10, help="measurements of the convnet that are timed")
    parser.add_argument("--resnet-periods", type=int, default=1, help="measurements of ResNet-18")
    parser.add_argument("--probe-images", type=int, default=10_000, help="labelled images to fit probes to")
    options = parser.parse_args()

    share_cores()
    set_threads(options.threads)
    common = TrainConfig(threads=options.threads, device=options.device, batch_size=options.batch)
    runs = {
        "convnet": (dataclasses.replace(common, views=GENTLE_VIEWS), options.periods),
        "resnet18": (
            dataclasses.replace(common, backbone="resnet18", precision="auto", **data(options)),
            options.resnet_periods,
        ),
    }
    every = RecordConfig().every
    print(
        f"{'':10} {'record':>8}  {'min - max':<15} {'s a record':>10} {'s a step':>9}  (every {every} steps)"
    )
    shares: dict[str, list[tuple[float, float, float]]] = {name: [] for name in runs}
    for _ in range(options.turns):
        for name, (config, periods) in runs.items():
            shares[name].append(record_share(config, periods))
    for name, turns in shares.items():
        share, record, step = (list(column) for column in zip(*turns, strict=True))
        spread = f"{min(share):.2%} - {max(share):.2%}"
        print(
            f"{name:10} {statistics.median(share):>8.2%}  {spread:<15} {statistics.median(record):>10.3g}"
            f" {statistics.median(step):>9.3g}"
        )
    if not CIFAR10.is_dir():
        print(f"probing is not timed: {CIFAR10} is missing")
        return
    for name, (config, _) in runs.items():
        found = [probing(dataclasses.replace(config, **data(options)), options) for _ in range(options.turns)]
        cost, step = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{name}: probing takes {cost:.3g} s, as long as {cost / step:.0f} steps; at most {TARGET:.0%}"
            f" with --probes.every {math.ceil(cost / step / TARGET)} or more"
        )


def data(options: argparse.Namespace) -> dict:
    limit = ImagesConfig(limit=20 * options.batch)
    return {"data": str(CIFAR10), "images": limit} if CIFAR10.is_dir() else {}


def record_share(config: TrainConfig, periods: int) -> tuple[float, float, float]:
    """Share of the time, seconds of one measurement, and seconds of a step with its part of the record."""
    steps = RecordConfig().every * periods
    with tempfile.TemporaryDirectory() as folder:  # one step more: the last one writes a checkpoint
        timings = train(dataclasses.replace(config, steps=steps + 1), Path(folder) / "run").timings
    first, last = (timings["step"].tolist().index(step) for step in (0, steps))
    recording, seconds = (
        timings[name][last] - timings[name][first] for name in ("record_seconds", "seconds")
    )
    return recording / seconds, recording / periods, seconds / steps


def probing(config: TrainConfig, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of one probing, and of a step."""
    moments: dict[tuple[str, int], float] = {}

    def follow(progress: Progress) -> None:
        moments[progress.stage, progress.done] = time.perf_counter()

    probes = ProbesConfig(every=2, train_limit=options.probe_images)
    run = dataclasses.replace(config, steps=4, probes=probes, record=RecordConfig(every=4))
    with tempfile.TemporaryDirectory() as folder:
        train(run, Path(folder) / "run", progress=follow)
    step = moments["training", 3] - moments["training", 2]
    backward = moments["probing", 2] - moments["training", 1]  # what is told of a step ends its forward pass
    forward = max(step - backward, 0.0)
    return moments["training", 2] - moments["probing", 2] - forward, step


if __name__ == "__main__":
    main()
