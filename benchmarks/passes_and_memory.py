"""Both views in one pass or one after the other: processor time of a step, freed memory given back or kept.

    python benchmarks/passes_and_memory.py
    python benchmarks/passes_and_memory.py --backbone convnet --batch 256
    python benchmarks/passes_and_memory.py --contiguous

A step is a network's forward and backward pass in float32 on one thread, with both views in one batch, in
two (one view after the other) and in four. After each turn with malloc as it is by itself comes one in which
the process keeps what it frees, as `eigenstep train` does. The system's share of the time is that in which it
finds and clears pages. The last lines tell how far the gradients are from that of one pass, in relation to
its length: with batch normalisation each part has its own statistics, so the ways may not be chosen by time.
"""

import argparse
import resource
import statistics
from collections import defaultdict

import torch
from torch import Tensor

from eigenstep.machine import keep_memory, set_threads
from eigenstep.training import ProjectorConfig, build_encoder

PARTS = (1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="resnet18", help="convnet or any model of timm")
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--batch", type=int, default=64, help="images a step, of two views each")
    parser.add_argument("--turns", type=int, default=3, help="turns of each way")
    parser.add_argument("--contiguous", action="store_true", help="no channels-last memory")
    options = parser.parse_args()
    set_threads(1)
    torch.manual_seed(0)
    layout = torch.contiguous_format if options.contiguous else torch.channels_last
    encoder = build_encoder(options.backbone, options.size, ProjectorConfig()).to(memory_format=layout)
    views = torch.randn(2 * options.batch, 3, options.size, options.size)

    def step(parts: int) -> Tensor:
        encoder.zero_grad()
        passed = [encoder(part.contiguous(memory_format=layout))[1] for part in views.chunk(parts)]
        torch.cat(passed).square().mean().backward()
        return torch.cat([each.grad.flatten() for each in encoder.parameters()])

    gradients = {parts: step(parts) for parts in PARTS}
    spent = defaultdict(list)
    for _ in range(options.turns):
        for parts in PARTS:
            spent["given back", parts].append(used(step, parts))
        with keep_memory() as keep:
            keep()
            step(1)
            for parts in PARTS:
                spent["kept", parts].append(used(step, parts))
    print(f"{options.backbone}, {options.size} px, batch {options.batch}, float32, one thread, {layout}")
    print(f"medians of {options.turns} turns; a product of matrices: {gflops():.0f} GFLOP/s")
    print(f"\n{'memory':<11} {'parts':>5} {'seconds':>8} {'of the system':>14} {'pages':>8}")
    for (memory, parts), each in spent.items():
        total = statistics.median(program + system for program, system, _ in each)
        _, system, pages = map(statistics.median, zip(*each, strict=True))
        print(f"{memory:<11} {parts:>5} {total:>8.3f} {system:>14.3f} {pages:>8.0f}")
    print()
    for parts in PARTS[1:]:
        distance = (gradients[parts] - gradients[1]).norm() / gradients[1].norm()
        print(f"gradient in {parts} parts: {distance:.1e} from that of one pass")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory: {peak:.0f} MiB")


def used(step, parts: int) -> tuple[float, float, int]:
    """Seconds of the program and of the system, and pages that the system found."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    step(parts)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (
        after.ru_utime - before.ru_utime,
        after.ru_stime - before.ru_stime,
        after.ru_minflt - before.ru_minflt,
    )


def gflops(side: int = 1024) -> float:
    """What the machine can do on one thread, the fastest of ten."""
    one, other = torch.randn(2, side, side)
    seconds = [used(lambda _: one @ other, 1)[0] for _ in range(10)]
    return 2 * side**3 / min(seconds) / 1e9


if __name__ == "__main__":
    main()
