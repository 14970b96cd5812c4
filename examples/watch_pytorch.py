"""The spectrum of a layer in a plain PyTorch loop, from one line.

    python examples/watch_pytorch.py
    torchrun --standalone --nproc-per-node 2 examples/watch_pytorch.py

Pairs of shifted digits, a small network that begins near zero: its modes are learned one by one. Both
commands record the same values, as two processes are measured as one on their joint batch.
"""

import argparse
import os

import torch
from sklearn.datasets import load_digits
from torch import distributed, nn
from torch.nn.functional import pad
from torch.nn.parallel import DistributedDataParallel

import eigenstep
from eigenstep.losses import BarlowTwinsLoss


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU())
        self.projector = nn.Linear(128, 8, bias=False)
        nn.init.normal_(self.projector.weight, std=1e-3)

    def forward(self, images):
        return self.projector(self.backbone(images))


def view(images):
    """Each image shifted by up to a pixel, brighter or darker."""
    shifted = pad(images, (1, 1, 1, 1)).unfold(1, 8, 1).unfold(2, 8, 1).flatten(1, 2)
    which = torch.randint(9, (len(images),))
    return shifted[range(len(images)), which] * (0.8 + 0.4 * torch.rand(len(images), 1, 1))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/watch-pytorch")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()

    torch.manual_seed(0)
    images = torch.tensor(load_digits().images, dtype=torch.float32) / 16
    model = network = Network()
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        distributed.init_process_group("gloo")
        model = DistributedDataParallel(network)

    criterion = BarlowTwinsLoss(1.0, gather_distributed=True, normalize="none")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    with eigenstep.watch(model, "projector", options.out, planned_steps=options.steps) as watched:
        for _ in range(options.steps):
            batch = images[torch.randint(len(images), (256,))]
            a, b = (view(batch)[rank::processes] for _ in range(2))  # this process's share
            loss = criterion(model(a), model(b))
            watched.log(loss=loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    if rank == 0:
        print("eigenvalues", *watched.monitors["projector"].last.cross_correlation.round(3))
        print(f"eigenstep report {options.out}")
    if processes > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
