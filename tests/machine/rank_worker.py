"""One of several processes: python rank_worker.py RANK WORLD_SIZE FOLDER; writes FOLDER/rank{RANK}.pt."""

import sys
from pathlib import Path

import torch
from torch import distributed

from eigenstep.machine import (
    gather_later,
    gather_objects,
    gather_rows,
    is_leader,
    max_over_processes,
    mean_over_processes,
    on_leader,
    own_rank,
    row_counts,
    same_everywhere,
    set_threads,
    sum_over_processes,
    world_size,
)


def main(rank: int, size: int, folder: Path) -> None:
    set_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    own = rows_of(rank)
    leaf = own.clone().requires_grad_()
    joint = gather_rows(leaf)
    # Each process weighs the rows in its own way, so that gradients of all have to arrive.
    (joint * (rank + 1) * torch.arange(1, len(joint) + 1)[:, None]).sum().backward()
    views = torch.stack([own, -own]).bfloat16()
    later = gather_later(views, capacity=4)
    value = torch.tensor([float(rank), -float(rank)])
    found = {
        "own": own,
        "place": (own_rank(), world_size(), is_leader()),
        "counts": row_counts(len(own), torch.device("cpu")),
        "joint": joint.detach(),
        "gradient": leaf.grad,
        "later": later(),
        "sum": sum_over_processes(value),
        "mean": mean_over_processes(value),
        "largest": max_over_processes(value),
        "value": value,
        "same": same_everywhere(value.clone()),
        "objects": gather_objects({"rank": rank}),
        "led": on_leader(lambda: f"of {rank}"),
    }
    try:
        on_leader(lambda: 1 / 0 if rank == 0 else None)
    except ZeroDivisionError as error:
        found["failure"] = str(error)
    torch.save(found, folder / f"rank{rank}.part")
    (folder / f"rank{rank}.part").rename(folder / f"rank{rank}.pt")
    # A rank that leaves while the other still communicates makes gloo abort that one.
    distributed.barrier()
    distributed.destroy_process_group()


def rows_of(rank: int) -> torch.Tensor:
    """Three rows of the first process, none of the second, two of the third."""
    count = (3, 0, 2)[rank]
    return 10.0 * rank + torch.arange(2.0 * count).view(count, 2)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
