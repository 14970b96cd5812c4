"""Data sets, views and encoders of the tests' own, also for processes that import them."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eigenstep.images import Pairs
from eigenstep.losses import SigLIPLoss
from eigenstep.training import RecordConfig, TrainConfig, train

LENGTH, CHANNELS, COUNT = 24, 2, 48
PAIRS = 64


def waves(seed=0, count=COUNT):
    """Oscillations of three frequencies at any phase, float32 (count, 2, 24), and which frequency it is."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(np.arange(count) % 3)
    phases = generator.uniform(0, 2 * math.pi, (count, CHANNELS, 1))
    angles = np.arange(LENGTH) * (0.3 + 0.4 * classes)[:, None, None] + phases
    return np.sin(angles).astype(np.float32), classes


class Waves:
    """A data set as torch's are: items (x, label)."""

    def __init__(self, seed=0, broken=(), count=COUNT):
        self.x, self.classes = waves(seed, count)
        self.broken = broken

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        if row in self.broken:
            raise RuntimeError(f"row {row} is\ntorn")
        return torch.from_numpy(self.x[row]), int(self.classes[row])


def jitter(batch, generator):
    """Noise, and a scale for each row."""
    views = []
    for _ in range(2):
        noise = torch.randn(batch.shape, generator=generator)
        scale = torch.rand(len(batch), *[1] * (batch.ndim - 1), generator=generator) + 0.5
        views.append(scale * batch + 0.2 * noise)
    return tuple(views)


def same(batch, generator):
    """Nothing is drawn: what is learned does not depend on how the batch is parted."""
    return batch, batch.flip(-1)


class Net(nn.Module):
    """A small network of series; gives features and embeddings, or embeddings alone."""

    def __init__(self, both=True, dim=5, channels=CHANNELS):
        super().__init__()
        torch.manual_seed(7)
        self.body = nn.Sequential(
            nn.Conv1d(channels, 8, 5, stride=2),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(2),
            nn.Flatten(),
        )
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(16, dim)
        self.both = both

    def forward(self, x):
        features = self.body(x)
        embeddings = self.head(self.drop(features))
        return (features, embeddings) if self.both else embeddings


def paired(seed=0):
    """Images uint8 (64, 2, 8, 8) and vectors float32 (64, 5) that share three numbers."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(PAIRS, 3))
    x = shared @ generator.normal(size=(3, 128)) + 0.3 * generator.normal(size=(PAIRS, 128))
    y = shared @ generator.normal(size=(3, 5)) + 0.3 * generator.normal(size=(PAIRS, 5))
    images = np.clip(127 + 30 * x, 0, 255).astype(np.uint8).reshape(PAIRS, 2, 8, 8)
    return images, y.astype(np.float32)


def two_networks(dim=4):
    """Small networks of both sides of `paired`, the same whenever they are made."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first = nn.Sequential(nn.Conv2d(2, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, dim))
        return first, nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, dim))


def train_on_pairs(folder, rank=0):
    """A run in `folder`, in one process or several, whose encoders differ between these before it."""
    encoder = two_networks()
    if rank:
        with torch.no_grad():
            encoder[1][0].weight.add_(1)
    record = RecordConfig(every=2, probe=12, directions=4)
    config = TrainConfig(steps=8, batch_size=16, threads=1, device="cpu", precision="64-true", record=record)
    images, objective = Pairs(*paired()), SigLIPLoss()
    return train(config, Path(folder) / "run", images=images, encoder=encoder, objective=objective)


class Killed(BaseException):
    """Raised by a run's progress in the place of a kill."""


def end_at(step):
    def tell(progress):
        if progress.stage == "training" and progress.done == step:
            raise Killed

    return tell
