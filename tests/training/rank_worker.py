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


def own(folder, steps):
    """Runs on a data set, views and an encoder of the tests' own, which differs between the processes."""
    import dataclasses

    from own_objects import Net, Waves, jitter, same
    from torch import nn

    from eigenstep.training import CheckpointConfig, RecordConfig, TrainConfig

    def net():
        built = Net()
        built.drop = nn.Identity()
        if int(os.environ["RANK"]):
            with torch.no_grad():
                built.head.weight.add_(1)
        return built

    first = []

    def seen(batch, generator):
        views = jitter(batch, generator)
        first.append(float((views[0] - views[1]).abs().sum()))
        return views

    config = TrainConfig(
        steps=steps,
        batch_size=16,
        threads=1,
        device="cpu",
        precision="64-true",
        record=RecordConfig(every=5, probe=12, directions=4),
        checkpoint=CheckpointConfig(every=3),
    )
    state = train(config, Path(folder) / "same", images=Waves(), views=same, encoder=net()).summary["state"]
    found = {"state": state}
    for name in ("drawn", "again"):
        run = dataclasses.replace(config, precision="32-true")
        record = train(run, Path(folder) / name, images=Waves(), views=seen, encoder=net())
        found[name] = record.metrics["loss"].tolist()
    idle = net()
    idle.unused = nn.Linear(2, 2)
    try:
        train(config, Path(folder) / "idle", images=Waves(), views=same, encoder=idle)
    except ValueError as error:
        found["idle"] = str(error)
    return found | {"first views": first[1]}


def pairs(folder):
    """A run on pairs."""
    from own_objects import train_on_pairs

    return {"state": train_on_pairs(folder, int(os.environ["RANK"])).summary["state"]}


def preconditioned(pairs, powers):
    """For each power the gradients at this process's share of the batches, and the state after the last."""
    from eigenstep.optim import EmbeddingPreconditioner

    dist.init_process_group("gloo")
    found = []
    for power in powers:
        preconditioner, gradients = EmbeddingPreconditioner(power, every=2), []
        for shares in pairs:
            views = [z.clone().requires_grad_() for z in shares[dist.get_rank()]]
            a, b = preconditioner(*views)
            gradients.append(torch.autograd.grad((a.sin() * b).sum(), views))
        found.append({"gradients": gradients, "state": preconditioner.state_dict()})
    dist.destroy_process_group()
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
    jobs = {each.__name__: each for each in (sync_batch_norm, runs, own, pairs, preconditioned)}
    result = jobs[job["name"]](**job["arguments"])
    torch.save(result, folder / f"rank{os.environ['RANK']}.pt")
