"""The spectrum of one of lightly's example models, trained by Lightning, from one callback.

    python examples/watch_lightly.py
    torchrun --standalone --nproc-per-node 2 examples/watch_lightly.py

The model is lightly's Barlow Twins example with a small backbone, on scikit-learn's digits.
"""

import argparse
import os

import numpy as np
import pytorch_lightning as pl
import torch
from lightly.data import LightlyDataset
from lightly.data.multi_view_collate import MultiViewCollate
from lightly.loss import BarlowTwinsLoss
from lightly.models.modules import BarlowTwinsProjectionHead
from lightly.transforms import SimCLRTransform
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn
from torchvision.datasets import VisionDataset

from eigenstep.integrations.lightning import SpectrumCallback


class BarlowTwins(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
        )
        self.projection_head = BarlowTwinsProjectionHead(256, 128, 32)
        self.criterion = BarlowTwinsLoss(gather_distributed=True)

    def forward(self, x):
        return self.projection_head(self.backbone(x).flatten(start_dim=1))

    def training_step(self, batch, batch_index):
        (x0, x1), _, _ = batch
        z0 = self.forward(x0)
        z1 = self.forward(x1)
        loss = self.criterion(z0, z1)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.02)


class Digits(VisionDataset):
    def __init__(self):
        super().__init__(root="")
        digits = load_digits()
        self.images, self.labels = np.uint8(digits.images * 15), digits.target

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index]).convert("RGB")), int(self.labels[index])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/watch-lightly")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()

    pl.seed_everything(0)
    transform = SimCLRTransform(input_size=16, cj_prob=0.0, random_gray_scale=0.0, gaussian_blur=0.0)
    dataset = LightlyDataset.from_torch_dataset(Digits(), transform=transform)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=128 // processes, collate_fn=MultiViewCollate(), shuffle=True, drop_last=True
    )
    watch = SpectrumCallback(layer="projection_head", every=2)
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        callbacks=[watch],
        default_root_dir=options.out,
        accelerator="cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
    )
    trainer.fit(BarlowTwins(), loader)
    if trainer.is_global_zero:
        print(f"eigenstep report {watch.out}")


if __name__ == "__main__":
    main()
