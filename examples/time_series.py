"""A data set, views and an encoder of one's own: oscillations, whose frequency survives what views change.

Each series is a sum of two oscillations, of two out of eight frequencies, at any phases and strengths, under
noise. Views crop it at random, scale it and add noise: phases and strengths differ between the two views of a
series, frequencies do not. A small one-dimensional convolutional network is trained by VICReg from
nothing but the views. Which of the pairs of frequencies a series has is asked afterwards, of the
untrained and of the trained network's features, by probes that were given the labels.

    python examples/time_series.py [--steps 200] [--series 2048] [--out runs/time-series]
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eigenstep.encoders import load_encoder
from eigenstep.training import OptimizerConfig, ProbesConfig, RecordConfig, TrainConfig, train

LENGTH, CROP = 80, 64
FREQUENCIES = np.linspace(0.05, 0.4, 8)  # in turns a sample
PAIRS = list(itertools.combinations(range(8), 2))


class Oscillations:
    """A data set as torch's are: items (series, class), the class a pair of frequencies."""

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.classes = generator.integers(len(PAIRS), size=count)
        turns = FREQUENCIES[np.array(PAIRS)[self.classes]][..., None] * np.arange(LENGTH)
        phases = generator.uniform(size=(count, 2, 1))
        strengths = generator.uniform(0.5, 1.5, (count, 2, 1))
        series = (strengths * np.sin(2 * np.pi * (turns + phases))).sum(1)
        self.series = (series + 0.5 * generator.normal(size=series.shape)).astype(np.float32)

    def __len__(self):
        return len(self.series)

    def __getitem__(self, index):
        return torch.from_numpy(self.series[index])[None], int(self.classes[index])


class CropScaleNoise:
    """Two views of each series (B, 1, 80): another crop, strength and noise each."""

    def __call__(self, batch, generator):
        return self.view(batch, generator), self.view(batch, generator)

    def view(self, batch, generator):
        starts = torch.randint(LENGTH - CROP + 1, (len(batch), 1), generator=generator)
        places = (starts + torch.arange(CROP)).to(batch.device)
        strengths = 0.5 + torch.rand(len(batch), 1, 1, generator=generator)
        noise = 0.3 * torch.randn(len(batch), 1, CROP, generator=generator)
        crops = batch.gather(2, places[:, None])
        return strengths.to(batch.device) * crops + noise.to(batch.device)

    def plain(self, batch):
        """What probes see: the middle, unchanged."""
        start = (LENGTH - CROP) // 2
        return batch[..., start : start + CROP]


class Network(nn.Module):
    """Features (B, 32) and embeddings (B, 32) of series (B, 1, 64)."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 16, 15, stride=2, padding=7),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Conv1d(16, 32, 7, stride=2, padding=3),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(nn.Linear(32, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 32))

    def forward(self, series):
        features = self.features(series)
        return features, self.projector(features)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--series", type=int, default=2048, help="how many to train on")
    parser.add_argument("--out", type=Path, help="the run's folder; default: a temporary one")
    options = parser.parse_args()
    config = TrainConfig(
        loss="vicreg",
        steps=options.steps,
        batch_size=128,
        device="cpu",
        optimizer=OptimizerConfig(name="adamw"),
        record=RecordConfig(every=20),
        probes=ProbesConfig(every=options.steps, neighbours=20),
    )
    torch.manual_seed(0)  # of the network's weights
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder) / "run"
        record = train(
            config,
            out,
            images={"train": Oscillations(options.series, 1), "test": Oscillations(1000, 2)},
            views=CropScaleNoise(),
            encoder=Network(),
        )
        loaded = load_encoder(out, encoder=Network())
    modes = record.summary["learned_modes"]
    dim = record.config["projector"]["dim"]
    print(f"{options.series:,} series, {options.steps} steps: {modes} of {dim} modes learned")
    print("step    loss  effective rank  leading eigenvalues of C")
    ranks = record.metrics[next(name for name in record.metrics if name.endswith("effective_rank"))]
    values = record.eigenvalues["cross_correlation"]
    for row in np.unique(np.linspace(0, len(ranks) - 1, 6).astype(int)):
        step, loss = record.metrics["step"][row], record.metrics["loss"][row]
        leading = " ".join(f"{value:8.2g}" for value in values[row, :4])
        print(f"{int(step):4d}  {loss:6.2f}  {ranks[row]:14.1f}  {leading}")
    print(f"\naccuracy on 1,000 other series, {len(PAIRS)} pairs of frequencies, in %")
    print("probe            untrained  trained")
    for name in ("knn_features", "ridge_features", "knn_embeddings", "ridge_embeddings"):
        untrained, trained = 100 * record.probes[name][[0, -1]]
        print(f"{name:16s} {untrained:9.1f}  {trained:7.1f}")
    series = torch.from_numpy(Oscillations(5, 3).series)[:, None]
    with torch.no_grad():
        features, embeddings = loaded(CropScaleNoise().plain(series))
    print(f"\nloaded back: features {tuple(features.shape)}, embeddings {tuple(embeddings.shape)}")


if __name__ == "__main__":
    main()
