"""What share of training the spectrum monitor takes at its default cadence, by dimension and form.

    python benchmarks/monitor_overhead.py [--turns 5] [--device cpu] [--dims 512 2048 8192] [--forms window]

The step: ResNet-18 on two views of 256 images of 32 px, a linear layer to D dimensions, a loss that costs
nothing, SGD; in float32. Once with the stem for small images (3×3, stride 1, no pooling), once with the
original one (7×7, stride 2, pooling), whose step is an order of magnitude shorter. The share is what the
calls of `update` from one measurement to the next take over what as many steps take. On a CPU one thread is
used and its processor time counted, which other work on the machine disturbs little; on a GPU the clock's.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import timm
import torch
from torch import nn

from eigenstep import SpectrumMonitor
from eigenstep.machine import set_threads

BATCH, SIZE, FEATURES = 256, 32, 512
# Batches that come in turn: the spectrum moves from measurement to measurement.
BATCHES = 7


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="measurements, and steps of the original stem")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=BATCH, help="images a step")
    parser.add_argument("--dims", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--forms", nargs="+", default=["window"])
    options = parser.parse_args()

    set_threads(1)
    device = torch.device(options.device)
    steps = {
        stem: [
            seconds(step, device)
            for step in [training_step(stem, device, options.batch)]
            for _ in range(turns + 1)
        ][1:]
        for stem, turns in {"original": options.turns, "small": max(options.turns // 3, 1)}.items()
    }
    for stem, times in steps.items():
        spread = f"{min(times):.3g} - {max(times):.3g}"
        print(f"a step with the {stem} stem: {statistics.median(times):.3g} s ({spread})")
    print(
        f"{'D':>5} {'form':12} {'every':>6} {'update, ms':>11} {'measurement, ms':>16}"
        f"   share of training, {', '.join(steps)} stem: median (min - max)"
    )
    for dim in options.dims:
        for form in options.forms:
            print(
                f"{dim:>5} {form:12} {row(dim, form, device, options.turns, steps, options.batch)}",
                flush=True,
            )


def row(
    dim: int, form: str, device: torch.device, turns: int, steps: dict[str, list[float]], batch: int
) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        monitor = SpectrumMonitor(Path(folder) / "run", form=form, background=False)
        batches = itertools.cycle([embeddings(dim, device, batch) for _ in range(BATCHES)])
        periods = [period(monitor, batches, device) for _ in range(turns + 1)][1:]
        monitor.close()
    every = len(periods[0])
    updates = [
        statistics.mean(calls[:-1]) for calls in periods
    ]  # the steps that a stride leaves out among them
    line = (
        f"{every:>6} {1e3 * statistics.median(updates):>11.3g}"
        f" {1e3 * statistics.median(calls[-1] for calls in periods):>16.3g}  "
    )
    for times in steps.values():
        shares = [sum(calls) / (every * statistics.median(times)) for calls in periods]
        line += f" {statistics.median(shares):>7.2%} ({min(shares):.2%} - {max(shares):.2%})"
    return line


def training_step(stem: str, device: torch.device, batch: int) -> Callable[[], None]:
    """A function that makes one step."""
    backbone = timm.create_model("resnet18", num_classes=0)
    if stem == "small":
        backbone.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        backbone.maxpool = nn.Identity()
    model = nn.Sequential(backbone, nn.Linear(FEATURES, FEATURES)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(2 * batch, 3, SIZE, SIZE, device=device)

    def step() -> None:
        z_a, z_b = model(images).chunk(2)
        optimizer.zero_grad()
        (z_a - z_b).square().mean().backward()
        optimizer.step()

    return step


def embeddings(dim: int, device: torch.device, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two views whose eigenvalues decay."""
    decay = torch.arange(1, dim + 1) ** -0.5
    z, noise_a, noise_b = torch.randn(3, batch, dim)
    return ((z + 0.3 * noise_a) * decay).to(device), ((z + 0.3 * noise_b) * decay).to(device)


def period(
    monitor: SpectrumMonitor, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], device: torch.device
) -> list[float]:
    """Seconds of each call from one measurement to the next."""
    calls, before = [], monitor.last
    while monitor.last is before:
        z_a, z_b = next(batches)
        calls.append(seconds(partial(monitor.update, z_a, z_b, loss=0.0), device))
    return calls


def seconds(call: Callable[[], None], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    began = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


if __name__ == "__main__":
    main()
