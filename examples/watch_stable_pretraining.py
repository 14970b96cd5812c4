"""The spectrum of a stable-pretraining module, from one callback.

    python examples/watch_stable_pretraining.py
    torchrun --standalone --nproc-per-node 2 examples/watch_stable_pretraining.py

VICReg on scikit-learn's digits, with a linear probe of the classes trained beside it.
"""

import argparse
import os

import lightning as pl
import stable_pretraining as spt
import torch
from sklearn.datasets import load_digits
from stable_pretraining.forward import vicreg
from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from eigenstep.integrations.lightning import SpectrumCallback


class Digits(torch.utils.data.Dataset):
    def __init__(self):
        digits = load_digits()
        self.images, self.labels = torch.tensor(digits.data, dtype=torch.float32) / 16, digits.target

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index], int(self.labels[index])
        return {"views": [{"image": image + 0.1 * torch.randn(64), "label": label} for _ in range(2)]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/watch-stable-pretraining")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()

    pl.seed_everything(0)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    loader = torch.utils.data.DataLoader(Digits(), batch_size=128 // processes, shuffle=True, drop_last=True)
    module = spt.Module(
        forward=vicreg,
        backbone=nn.Sequential(nn.Linear(64, 128), nn.ReLU()),
        projector=nn.Linear(128, 32, bias=False),
        vicreg_loss=spt.losses.VICRegLoss(),
        optim={"optimizer": {"type": "SGD", "lr": 0.02}},
    )
    probe = spt.callbacks.OnlineProbe(
        module,
        "probe",
        input="embedding",
        target="label",
        probe=nn.Linear(128, 10),
        loss=nn.CrossEntropyLoss(),
        metrics={"accuracy": MulticlassAccuracy(10)},
    )
    watch = SpectrumCallback(layer="projector", every=2)
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        callbacks=[watch, probe],
        default_root_dir=options.out,
        accelerator="cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
    )
    trainer.fit(module, loader)
    if trainer.is_global_zero:
        print(f"eigenstep report {watch.out}")


if __name__ == "__main__":
    main()
