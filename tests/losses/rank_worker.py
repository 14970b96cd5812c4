"""One of several processes that share a batch: python rank_worker.py RANK WORLD_SIZE FOLDER.

Reads FOLDER/job.pt: initial weights, per-rank inputs and labels, and a list of (loss name, options). For
every loss it makes one backward pass with the gloo backend, averages the weight's gradient over the ranks, as
DistributedDataParallel does, and writes value and gradient to FOLDER/rank{RANK}.pt.
"""

import sys
from pathlib import Path

import torch
from torch import distributed, nn

from eigenstep import losses
from eigenstep.machine import set_threads


def main(rank: int, world_size: int, folder: Path) -> None:
    set_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size
    )
    job = torch.load(folder / "job.pt")
    results = [
        value_and_gradient(getattr(losses, name)(gather_distributed=True, **options), job, rank)
        for name, options in job["losses"]
    ]
    torch.save(results, folder / f"rank{rank}.part")
    (folder / f"rank{rank}.part").rename(folder / f"rank{rank}.pt")
    # A rank that leaves while the other still communicates makes gloo abort that one.
    distributed.barrier()
    distributed.destroy_process_group()


def value_and_gradient(loss: nn.Module, job: dict, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    x_a, x_b = job["inputs"][rank]
    weight = job["weight"].clone().requires_grad_()
    further = []
    if isinstance(loss, losses.LabelledLoss):
        further = [job["labels"][rank]]
    elif isinstance(loss, losses.SlicedLoss):
        further = [torch.Generator().manual_seed(0)]
    value = loss(x_a @ weight.T, x_b @ weight.T, *further)
    (gradient,) = torch.autograd.grad(value, weight)
    distributed.all_reduce(gradient)
    return value.detach(), gradient / distributed.get_world_size()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
