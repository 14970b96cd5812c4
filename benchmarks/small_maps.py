"""Convolutions over small maps as matrix products, beside oneDNN's own: layers, and steps of whole ResNets.

    python benchmarks/small_maps.py [--turns 5] [--threads 2] [--networks resnet18:32:512 resnet50:96:128]

In bfloat16, on a CPU with matrix units (AMX); elsewhere nothing is compared, for nothing is done otherwise. A
layer's rate is that of its forward and its backward pass together; a network's (name, pixels a side, images)
those of one step, forward and backward, without loss, optimiser or new images. Both take turns, ratios are
medians over the turns; the limit is a square bfloat16 product at the same time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from eigenstep.encoders import ProjectorConfig, build_encoder, small_maps_as_products
from eigenstep.machine import keep_memory, set_threads

# Channels in and out, pixels a side, kernel, step.
LAYERS = [
    (256, 256, 8, 3, 1),
    (512, 512, 7, 3, 1),
    (512, 512, 4, 3, 1),
    (512, 512, 3, 3, 1),
    (256, 512, 8, 3, 2),
    (1024, 256, 6, 1, 1),
    (512, 2048, 3, 1, 1),
    (1024, 2048, 6, 1, 2),
]
WAYS: dict[str, Callable[[nn.Module], AbstractContextManager[None]]] = {
    "oneDNN": lambda _: nullcontext(),
    "products": small_maps_as_products,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=256, help="of a layer's batch")
    parser.add_argument("--networks", nargs="*", default=["resnet18:32:512", "resnet50:96:128"])
    options = parser.parse_args()
    if not torch.cpu._is_amx_tile_supported():
        parser.exit(message="this CPU has no matrix units (AMX): there is nothing to compare\n")
    set_threads(options.threads)
    with keep_memory() as keep:
        keep()
        print("| channels, map, kernel, step | oneDNN, GFLOP/s | products | times as fast | share of limit |")
        print("| --- | --- | --- | --- | --- |")
        for c_in, c_out, side, kernel, step in LAYERS:
            layer = nn.Conv2d(c_in, c_out, kernel, step, kernel // 2, bias=False)
            images = torch.randn(options.images, c_in, side, side)
            out = (side - 1) // step + 1
            flops = 3 * 2 * options.images * out**2 * layer.weight.numel()
            name = f"{c_in} to {c_out}, {side} x {side}, {kernel} x {kernel}, {step}"
            compare(name, layer, images, flops, options.turns)
        print("\n| network | oneDNN, s a step | products, s a step | times as fast | share of the limit |")
        print("| --- | --- | --- | --- | --- |")
        for named in options.networks:
            name, side, count = named.split(":")
            encoder = build_encoder(name, int(side), ProjectorConfig(hidden=(512,), dim=128, batch_norm=True))
            images = torch.randn(int(count), 3, int(side), int(side))
            whole = f"{name}, {side} px, {count} images"
            compare(whole, encoder, images, flops_of(encoder, images), options.turns, seconds=True)


def compare(
    name: str, network: nn.Module, images: Tensor, flops: float, turns: int, seconds: bool = False
) -> None:
    network.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_(
        isinstance(network, nn.Conv2d)
    )
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    limits = []
    for turn in range(turns + 1):
        for way, context in WAYS.items():
            with context(network):
                start = time.perf_counter()
                step(network, images)
                if turn:  # the first finds its kernels and its memory
                    took[way].append(time.perf_counter() - start)
        limits.append(limit())
    ratios = [old / new for old, new in zip(*took.values(), strict=True)]
    medians = [statistics.median(values) for values in took.values()]
    shown = [f"{each:.2f}" if seconds else f"{flops / each / 1e9:.0f}" for each in medians]
    share = flops / medians[1] / statistics.median(limits)
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
    print(f"| {name} | {' | '.join(shown)} | {spread} | {share:.0%} |", flush=True)


def step(network: nn.Module, images: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        out = network(images)
    (out[1] if isinstance(out, tuple) else out).float().square().mean().backward()
    for tensor in (images, *network.parameters()):
        tensor.grad = None


def limit(size: int = 2048) -> float:
    """FLOP/s of a square bfloat16 product now, the best of some."""
    square = torch.randn(size, size).bfloat16()
    took = []
    for _ in range(5):
        start = time.perf_counter()
        square @ square
        took.append(time.perf_counter() - start)
    return 2 * size**3 / min(took)


def flops_of(network: nn.Module, images: Tensor) -> float:
    """Of all convolutions and linear layers, forward and backward; below the first there is no gradient."""
    counted: list[float] = []

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        passes = 2 if not counted else 3
        weight = module.weight if isinstance(module, nn.Conv2d | nn.Linear) else torch.empty(0)
        positions = out[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        counted.append(passes * 2 * len(out) * positions * weight.numel())

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(images[:2])
    for hook in hooks:
        hook.remove()
    return sum(counted) * len(images) / 2


if __name__ == "__main__":
    main()
