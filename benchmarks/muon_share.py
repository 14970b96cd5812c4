"""What share of a training step the optimiser takes: SGD, AdamW, timm's Muon and Eigenstep's.

    python benchmarks/muon_share.py [--turns 7] [--device cpu] [--networks convnet resnet18_small vit]

A step: forward and backward of two views of 128 images of 32 px, in bfloat16 and in float32, a projector to
128 dimensions, a loss that costs nothing. In turn the network passes once in each, and each optimiser takes
one step with the same gradients on weights of its own; times are medians over the turns, with the range. On
a CPU one thread is used and its processor time counted, which other work on the machine disturbs little; on
a GPU the clock's.

Last, what limits Muon: the matrix products of orthogonalisation, at the rate at which this machine does
large ones in the type that it uses, in parts of the time of the step.
"""

import argparse
import copy
import functools
import os
import statistics
import time
from collections.abc import Callable

import timm
import torch
from torch import nn

from eigenstep.encoders import ProjectorConfig, build_encoder
from eigenstep.machine import set_threads
from eigenstep.optim import Muon, compute_dtype, fallback_reason

BATCH, SIZE = 128, 32
TIMMS = {
    "momentum": 0.95,
    "nesterov": True,
    "adjust_lr_fn": "original",
    "fallback_lr_scale": 0.05,
    "betas": (0.9, 0.999),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=7, help="measurements of each")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--networks", nargs="+", default=["convnet", "resnet18_small", "vit"])
    options = parser.parse_args()

    set_threads(1)
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, load average {os.getloadavg()[0]:.1f} at the start")
    for network in options.networks:
        measure(network, options.turns, device)
    print(f"load average {os.getloadavg()[0]:.1f} at the end")


def measure(name: str, turns: int, device: torch.device) -> None:
    network = build(name).to(device, memory_format=torch.channels_last)
    images = torch.randn(2 * BATCH, 3, SIZE, SIZE, device=device).to(memory_format=torch.channels_last)
    optimizers = {
        "SGD": lambda weights: torch.optim.SGD(weights, lr=1e-3, momentum=0.9, fused=True),
        "AdamW": lambda weights: torch.optim.AdamW(weights, lr=1e-3, fused=True),
        "timm's Muon": lambda weights: timm.optim.Muon(weights, lr=1e-3, **TIMMS),
        "Muon": lambda weights: Muon(weights, lr=1e-3),
    }
    copies = {each: copy.deepcopy(network) for each in optimizers}
    steps = {each: optimizers[each](copies[each].parameters()) for each in optimizers}

    def passed(mixed: bool) -> None:
        network.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            outcome = network(images)
        (outcome[-1] if isinstance(outcome, tuple) else outcome).square().mean().backward()

    passes = {"bfloat16": functools.partial(passed, True), "float32": functools.partial(passed, False)}
    times: dict[str, list[float]] = {each: [] for each in (*passes, *optimizers)}
    for _ in range(turns + 1):  # the first of each is left out
        for each, job in passes.items():
            times[each].append(seconds(job, device))
        for each, optimizer in steps.items():
            for weight, own in zip(network.parameters(), copies[each].parameters(), strict=True):
                own.grad = weight.grad
            times[each].append(seconds(optimizer.step, device))
    matrices = [weight for weight in network.parameters() if fallback_reason(weight.shape) is None]
    print(
        f"\n{name}: {sum(weight.numel() for weight in network.parameters()):,} parameters,"
        f" {len(matrices)} matrices; the share is that of a step in {', in '.join(passes)}"
    )
    for each, taken in times.items():
        del taken[0]
        print(f"  {each:12} {told(taken, 1e3):>24} ms", end="")
        if each in passes:
            print(", forward and backward")
            continue
        for form in passes:
            shares = [own / (own + both) for own, both in zip(taken, times[form], strict=True)]
            print(f"   {told(shares, 100):>20} %", end="")
        print()
    ratios = [theirs / ours for theirs, ours in zip(times["timm's Muon"], times["Muon"], strict=True)]
    print(f"  timm's Muon over Muon: {told(ratios, 1)}")
    limit = sum(least_seconds(weight) for weight in matrices)
    share = limit / statistics.median(times["Muon"])
    print(f"  its matrix products at the rate of large ones: {1e3 * limit:.3g} ms, {share:.0%} of its step")


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "vit":
        return timm.models.VisionTransformer(
            img_size=SIZE, patch_size=4, embed_dim=192, depth=6, num_heads=3, num_classes=128
        )
    return build_encoder(name, SIZE, ProjectorConfig(hidden=(512,), dim=128))


def seconds(job: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.process_time()
        job()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    job()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def told(values: list[float], unit: float) -> str:
    """Median and range."""
    low, middle, high = (unit * each for each in (min(values), statistics.median(values), max(values)))
    return f"{middle:.3g} ({low:.3g} - {high:.3g})"


RATES: dict[torch.dtype, float] = {}


def least_seconds(weight: torch.Tensor) -> float:
    """Of the products by which a matrix is orthogonalised, see `eigenstep.optim.orthogonalize`."""
    small, large = sorted((len(weight), weight[0].numel()))
    dtype = compute_dtype(weight.dtype, weight.device, small)
    ratio = large / small
    if ratio <= 1.5:
        products = 20 * ratio + 10
    else:
        products = 8 * ratio + 28 if dtype == torch.bfloat16 else 4 * ratio + 34
    if dtype not in RATES:
        square = torch.randn(1024, 1024, device=weight.device).to(dtype)
        job = lambda: square @ square  # noqa: E731
        RATES[dtype] = 2 * 1024**3 / min(seconds(job, weight.device) for _ in range(7))
        print(f"  large products in {dtype}: {RATES[dtype] / 1e9:.0f} GFLOP/s")
    return products * small**3 / RATES[dtype]


if __name__ == "__main__":
    main()
