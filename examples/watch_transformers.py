"""The spectrum of a model that Hugging Face's Trainer trains, from one callback.

    python examples/watch_transformers.py
    torchrun --standalone --nproc-per-node 2 examples/watch_transformers.py

A tiny vision transformer, made from its configuration, learns from pairs of noisy digits by Barlow Twins.
"""

import argparse
import os

import torch
from sklearn.datasets import load_digits
from torch import nn
from transformers import Trainer, TrainingArguments, ViTConfig, ViTModel, set_seed

from eigenstep.integrations.transformers import SpectrumCallback
from eigenstep.losses import BarlowTwinsLoss


class TwoViews(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        config = ViTConfig(image_size=8, patch_size=2, num_channels=1, **sizes)
        self.backbone = ViTModel(config, add_pooling_layer=False)
        self.projector = nn.Linear(32, 16, bias=False)
        self.criterion = BarlowTwinsLoss(gather_distributed=True)

    def embed(self, images):
        return self.projector(self.backbone(images).last_hidden_state[:, 0])

    def forward(self, view_a, view_b):
        z_a, z_b = self.embed(view_a), self.embed(view_b)
        return {"loss": self.criterion(z_a, z_b), "embeddings": z_a}


def two_views(images):
    batch = torch.stack(images)
    return {name: batch + 0.2 * torch.randn(batch.shape) for name in ("view_a", "view_b")}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/watch-transformers")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()

    set_seed(0)
    images = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
    arguments = TrainingArguments(
        options.out,
        max_steps=options.steps,
        per_device_train_batch_size=128 // int(os.environ.get("WORLD_SIZE", 1)),
        learning_rate=1e-3,
        logging_steps=20,
        use_cpu=True,
    )
    watch = SpectrumCallback(layer="projector", every=5)
    trainer = Trainer(
        TwoViews(), arguments, train_dataset=list(images), data_collator=two_views, callbacks=[watch]
    )
    trainer.train()
    if trainer.is_world_process_zero():
        print(f"eigenstep report {watch.out}")


if __name__ == "__main__":
    main()
