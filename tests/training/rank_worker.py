"""One of two processes, started by torchrun: runs the named job and writes what it found.

torchrun ... rank_worker.py FOLDER: reads FOLDER/job.pt, writes FOLDER/rank0.pt and FOLDER/rank1.pt.
"""

import atexit
import os
import sys
from pathlib import Path

import torch
from torch import distributed as dist

from eigenstep.training import load_config, synchronize_batch_norms, train


def sync_batch_norm(x):
    """Output, gradients and running statistics of this process's share of the batch."""
    from test_sync_batch_norm import network

    model = synchronize_batch_norms(network(), torch.device("cpu"))
    dist.init_process_group("gloo")
    own = x[dist.get_rank()]
    y = model(own)
    rows = sum(len(part) for part in x)
    ((y.square() * torch.arange(1, 6)).sum() / (rows * 5)).backward()
    dist.destroy_process_group()
    return {
        "y": y.detach(),
        "gradients": {name: parameter.grad for name, parameter in model.named_parameters()},
        "buffers": dict(model.named_buffers()),
    }


def runs(configs, folder):
    """Train every configuration; an error is what a run gives then."""
    found = {}
    for name, path in configs.items():
        try:
            train(load_config(path), Path(folder) / name, resume=True)
            found[name] = "finished"
        except (ValueError, FloatingPointError) as error:
            found[name] = str(error)
    return found


def refuse_an_open_group():
    """End in failure where a group of processes is still open, which aborts some processes at their end."""
    if dist.is_initialized():
        print("the group of processes was left open", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    atexit.register(refuse_an_open_group)
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(Path(__file__).parent))
    job = torch.load(folder / "job.pt")
    result = {"sync_batch_norm": sync_batch_norm, "runs": runs}[job["name"]](**job["arguments"])
    torch.save(result, folder / f"rank{os.environ['RANK']}.pt")
