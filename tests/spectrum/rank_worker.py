"""One of two processes that share a loop: python rank_worker.py RANK FOLDER.

Reads FOLDER/job.pt: each rank's batches, by form of the monitor. Writes what the first rank's monitors record
to FOLDER/FORM, what this rank's monitors say to FOLDER/rank{RANK}.pt, and at FOLDER/ddp the record of a small
network under DistributedDataParallel that is watched.
"""

import sys
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eigenstep import SpectrumMonitor, watch
from eigenstep.machine import set_threads


def main(rank: int, folder: Path) -> None:
    set_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    job = torch.load(folder / "job.pt")
    own = job["batches"][rank]
    said = {
        name: monitored(folder / name, options, taken(name, own)) for name, options in job["forms"].items()
    }
    said["resumed"] = resumed(folder, rank, own)
    for form in ("window", "all"):
        with_a_gap(folder / f"gap-{form}", form, rank, own)
        with_nothing_at_first(folder / f"nothing-{form}", form, rank, own)
    said["opening"] = opening_fails(folder / "opening", own)
    watched(folder / "ddp", job["images"][rank])
    torch.save(said, folder / f"rank{rank}.part")
    (folder / f"rank{rank}.part").rename(folder / f"rank{rank}.pt")
    distributed.barrier()  # a rank that leaves while the other still communicates makes gloo abort that one
    distributed.destroy_process_group()


def taken(form: str, batches: list) -> list:
    """Both views of the batches, or one, or the second with fewer dimensions."""
    if form.startswith("two-encoders"):
        return [[batch[0], batch[1][:, :4]] for batch in batches]
    return [batch[:1] for batch in batches] if form == "one-view" else batches


def monitored(out: Path, options: dict, batches: list) -> list:
    """The eigenvalues of the last record, and of what came after it."""
    monitor = SpectrumMonitor(out, every=2, **options)
    for batch in batches:
        monitor.update(*batch)
    found = [monitor.last.cross_correlation, monitor.compute().cross_correlation, monitor.last.count]
    monitor.close()
    return [torch.as_tensor(value) for value in found]


def resumed(folder: Path, rank: int, batches: list) -> list:
    """The steps from which monitors go on: one that sees the folder, and one whose rank 1 sees another."""
    distributed.barrier()
    steps = []
    for out in (folder / "all", folder / ("all" if rank == 0 else "elsewhere")):
        monitor = SpectrumMonitor(out, every=2, form="all", resume=True)
        monitor.update(*batches[0])
        steps.append(monitor.step)
    return steps


def with_a_gap(out: Path, form: str, rank: int, batches: list) -> None:
    """Measure each step by itself; the second rank has no embeddings in the third, none has in the fifth."""
    monitor = SpectrumMonitor(out, every=1, form=form)
    for step, batch in enumerate(batches, start=1):
        monitor.reset()
        if step == 5 or (step == 3 and rank == 1):
            monitor.skip()
        else:
            monitor.update(*batch)
    monitor.close()


def with_nothing_at_first(out: Path, form: str, rank: int, batches: list) -> None:
    """The second rank has no embeddings before the second measurement."""
    monitor = SpectrumMonitor(out, every=1, form=form)
    for number, batch in enumerate(batches[:3]):
        if rank == 1 and number == 0:
            monitor.skip()
        else:
            monitor.update(*batch)
    monitor.close()


def opening_fails(out: Path, batches: list) -> list:
    """In a folder that cannot be one: how it ends in each rank, and what all say after it."""
    out.write_text("a file")
    monitor = SpectrumMonitor(out / "within", every=1)
    try:
        monitor.update(*batches[0])
    except OSError as error:
        return [type(error).__name__, monitor.step]
    return ["no error", monitor.step]


def watched(out: Path, images: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probe = torch.linspace(-1, 1, 24).reshape(4, 6)
    with watch(model, "2", out, every=1, probe=probe) as spectrum:
        for x_a, x_b in images:
            loss = (model(x_a) - model(x_b)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            spectrum.log(loss=loss)
            optimizer.step()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
