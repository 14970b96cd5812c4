"""One fit shared by several processes, on one machine or on several.

On one machine, with 2 processes:

    torchrun --standalone --nproc-per-node 2 examples/kernel_several_machines.py

On two machines with 8 processes each, run the first line on one and the second line on the other, with the
first one's name or address in place of FIRST:

    torchrun --nnodes 2 --node-rank 0 --nproc-per-node 8 --rdzv-endpoint FIRST:29500 \\
        examples/kernel_several_machines.py
    torchrun --nnodes 2 --node-rank 1 --nproc-per-node 8 --rdzv-endpoint FIRST:29500 \\
        examples/kernel_several_machines.py

With --device cuda start one process for each GPU. Every process calls `fit` with the same data: memory maps
of files that all machines see, or of which each has a copy (here each machine's first process writes one).
Kernel values are dealt out, so that with more processes each needs less memory; each ends with the whole
model.
"""

import argparse
import os
import platform
import time

import torch.distributed
from pairs_on_disk import pairs_on_disk
from peak_memory import peak_mebibytes

from eigenstep import ContrastiveKernelPCA


def from_every_process(value):
    """Return the values of all processes, in every one of them."""
    if not torch.distributed.is_initialized():
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--solver", choices=("krylov", "nystrom"), default="krylov")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", default="runs/pairs", help="of the pairs' files, written where missing")
    options = parser.parse_args()
    writes = os.environ.get("LOCAL_RANK", "0") == "0"
    first, second = pairs_on_disk(options.folder, options.pairs, options.features, write=writes)

    model = ContrastiveKernelPCA(
        options.components,
        gamma=0.1,
        y_is="view",
        solver=options.solver,
        device=options.device,
        distributed=True,
        random_state=0,
    )
    before, began = peak_mebibytes(), time.perf_counter()
    model.fit(first, second)
    took, memory = time.perf_counter() - began, peak_mebibytes() - before

    facts = from_every_process((platform.node(), took, memory))
    if os.environ.get("RANK", "0") == "0":
        print(f"{len(first):,} pairs; {model.solver_}")
        for rank, (machine, took, memory) in enumerate(facts):
            print(f"process {rank} on {machine}: {took:.1f} s, peak memory {memory:.0f} MiB more than before")
        print("mode  eigenvalue  residual  half learned at")
        columns = model.eigenvalues_, model.residuals_, model.learning_times(init_scale=1e-4)
        for mode, (gamma, residual, when) in enumerate(zip(*columns, strict=True), start=1):
            print(f"{mode:4d}  {gamma:10.8f}  {residual:8.0e}  {when:15.1f}")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
