"""What share of training the spectrum monitor takes at its default cadence, by dimension and form.

    python benchmarks/monitor_overhead.py [--turns 5] [--threads 2] [--device cpu] [--dims 512 2048 8192]

The step: ResNet-18 on two views of 256 images of 32 px, a linear layer to D dimensions, a loss that costs
nothing, SGD; in float32. Once with the stem for small images (3×3, stride 1, no pooling), once with the
original one (7×7, stride 2, pooling), whose step is an order of magnitude shorter. The share is what
the calls of `update` from one measurement to the next take over what as many steps take; steps and calls are
timed in turns, so that other work on the machine meets both.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import nn

from eigenstep import SpectrumMonitor
from eigenstep.threads import set_threads

BATCH, SIZE, FEATURES = 256, 32, 512


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dims", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--forms", nargs="+", default=["window", "exponential"])
    parser.add_argument("--stems", nargs="+", default=["small", "original"], choices=["small", "original"])
    options = parser.parse_args()

    set_threads(options.threads)
    device = torch.device(options.device)
    print(
        f"{'stem':9} {'D':>5} {'form':12} {'step, s':>8} {'every':>6} {'update, ms':>11} {'measure, ms':>12}"
        f" {'share':>7}  min - max"
    )
    for stem in options.stems:
        for dim in options.dims:
            step = training_step(stem, dim, device)
            for form in options.forms:
                print(
                    f"{stem:9} {dim:>5} {form:12} {row(step, dim, form, device, options.turns)}", flush=True
                )


def row(step: Callable[[], None], dim: int, form: str, device: torch.device, turns: int) -> str:
    steps, updates, measurements = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        monitor = SpectrumMonitor(Path(folder) / "run", form=form)
        z_a, z_b = embeddings(dim, device)
        period(monitor, z_a, z_b, device)
        seconds(step, device)
        for _ in range(turns):
            steps.append(seconds(step, device))
            calls = period(monitor, z_a, z_b, device)
            every = len(calls)
            updates.append(statistics.mean(calls[:-1]))
            measurements.append(calls[-1])
        monitor.close()
    shares = [
        ((every - 1) * update + measurement) / (every * step)
        for step, update, measurement in zip(steps, updates, measurements, strict=True)
    ]
    step_time, update, measurement, share = (
        statistics.median(times) for times in (steps, updates, measurements, shares)
    )
    return (
        f"{step_time:>8.3g} {every:>6} {1e3 * update:>11.3g} {1e3 * measurement:>12.3g} {share:>7.2%}"
        f"  {min(shares):.2%} - {max(shares):.2%}"
    )


def training_step(stem: str, dim: int, device: torch.device) -> Callable[[], None]:
    """A function that makes one step."""
    backbone = timm.create_model("resnet18", num_classes=0)
    if stem == "small":
        backbone.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        backbone.maxpool = nn.Identity()
    model = nn.Sequential(backbone, nn.Linear(FEATURES, dim)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(2 * BATCH, 3, SIZE, SIZE, device=device)

    def step() -> None:
        z_a, z_b = model(images).chunk(2)
        optimizer.zero_grad()
        (z_a - z_b).square().mean().backward()
        optimizer.step()

    return step


def embeddings(dim: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Two views whose eigenvalues decay."""
    decay = torch.arange(1, dim + 1) ** -0.5
    z, noise_a, noise_b = torch.randn(3, BATCH, dim)
    return ((z + 0.3 * noise_a) * decay).to(device), ((z + 0.3 * noise_b) * decay).to(device)


def period(
    monitor: SpectrumMonitor, z_a: torch.Tensor, z_b: torch.Tensor, device: torch.device
) -> list[float]:
    """Seconds of each call from one measurement to the next."""
    calls, before = [], monitor.last
    while monitor.last is before:
        calls.append(seconds(lambda: monitor.update(z_a, z_b, loss=0.0), device))
    return calls


def seconds(call: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
