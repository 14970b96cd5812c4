"""Two encoders of two kinds of data: the colours and the edges of the same photographs.

One sensor sees the colours of a patch at a quarter of its resolution, the other only how much its
brightness changes from place to place. Two small convolutional networks, one for each, are trained by CLIP
from a small start; the run records the singular values of the cross-covariance of their embeddings. What
they learn first is foretold before any training: an encoder that starts small moves first in its last
layer, so `CrossKernelPCA` takes the untrained networks' features of both sides. Printed is when each mode
was foretold to be half learned and when it was, and how much the spaces of the first k predicted dimensions
and of the first k trained ones, when so many have been learned, agree on patches that nothing was fitted
to, beside the principal components of each sensor alone.

    python examples/two_sensors.py [--steps 140] [--pairs 512] [--out runs/two-sensors]
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, pad

from eigenstep.encoders import TwoEncoders, load_encoder
from eigenstep.images import ImagesConfig, Pairs, load_images
from eigenstep.kernel import CrossKernelPCA
from eigenstep.losses import CLIPLoss
from eigenstep.theory import subspace_overlap
from eigenstep.training import CheckpointConfig, OptimizerConfig, RecordConfig, TrainConfig, train

DIM, MODES, TEMPERATURE, START = 8, 2, 1.0, 1e-3
RATE, MOMENTUM = 0.05, 0.9
# Steps between two measurements, each with a checkpoint to look at later.
EVERY = 5


def sensors(patches):
    """Colours (n, 2, 8, 8) and edges (n, 1, 8, 8) of patches (n, 3, 32, 32) between 0 and 1."""
    grey = patches.mean(1, keepdim=True)
    colours = torch.cat([patches[:, :1] - grey, patches[:, 2:] - grey], dim=1)
    across, down = (grey.diff(dim=axis)[..., :31, :31] for axis in (3, 2))
    edges = pad((across**2 + down**2).sqrt(), (0, 1, 0, 1))
    return [(each - each.mean()) / each.std() for each in (avg_pool2d(colours, 4), avg_pool2d(edges, 4))]


class Encoder(nn.Module):
    """Two convolutions, and a last layer that starts small."""

    def __init__(self, channels):
        super().__init__()
        convolutions = nn.Conv2d(channels, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()
        self.features = nn.Sequential(*convolutions, nn.Flatten())
        self.last = nn.Linear(128, DIM, bias=False)
        nn.init.normal_(self.last.weight, std=START)

    def forward(self, images):
        return self.last(self.features(images))


def rows(values):
    return values.flatten(1).double().numpy()


def leading(embedding, known, count):
    """Embeddings (n, d) along the first principal directions of those of the known patches."""
    mean = known.mean(axis=0)
    return (embedding - mean) @ np.linalg.svd(known - mean, full_matrices=False)[2][:count].T


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--out", default="runs/two-sensors")
    options = parser.parse_args()

    torch.manual_seed(0)
    patches = load_images("photos", ImagesConfig(size=32, patches=2 * options.pairs)).images / 255
    # What is learned from, and what is held out.
    known, new = zip(*(each.split(options.pairs) for each in sensors(patches)), strict=True)
    encoders = Encoder(2), Encoder(1)

    predicted = CrossKernelPCA(MODES, kernel="linear").fit(*features(encoders, known))
    held_out = features(encoders, new)
    foretold = predicted.transform(held_out[0]), predicted.transform_y(held_out[1])
    # Momentum makes each step worth 1 / (1 - momentum); the mean of both sides' starts is what grows.
    times = predicted.learning_times(START * (DIM / 2) ** 0.5, TEMPERATURE) * (1 - MOMENTUM) / RATE

    config = TrainConfig(
        steps=options.steps,
        batch_size=options.pairs,
        optimizer=OptimizerConfig(lr=RATE, momentum=MOMENTUM, weight_decay=0.0, schedule="constant"),
        record=RecordConfig(every=EVERY),
        checkpoint=CheckpointConfig(every=EVERY, keep=options.steps),
    )
    loss = CLIPLoss(TEMPERATURE, learnable=False, normalize="none")
    record = train(config, options.out, images=Pairs(*known), encoder=encoders, objective=loss)

    curves = record.eigenvalues["cross_correlation"][:, :MODES]
    passed = curves > TEMPERATURE * predicted.rho_**2 / 2
    seen = [int(record.metrics["step"][mode.argmax()]) if mode.any() else None for mode in passed.T]
    print("mode  covariance  correlation  half learned at step: foretold  seen")
    numbers = zip(predicted.singular_values_, predicted.rho_, times, seen, strict=True)
    for mode, (covariance, rho, step, when) in enumerate(numbers, 1):
        told = "later" if when is None else when
        print(f"{mode:>4}  {covariance:>10.3f}  {rho:>11.2f}  {step:>30.0f}  {told:>4}")

    print(f"\nheld-out agreement, {options.pairs} patches: colours, edges; with each sensor's own components")
    pixels = [[each.flatten(1).double().numpy() for each in part] for part in (known, new)]
    for count, step in enumerate(seen, 1):
        if step is None:
            break
        trained = load_encoder(options.out, max(step, EVERY), encoder=TwoEncoders(Encoder(2), Encoder(1)))
        embeddings = [embedded(trained, part) for part in (known, new)]
        cells = []
        for side in range(2):
            spaces = [
                leading(embeddings[1][side], embeddings[0][side], count),
                foretold[side][:, :count],
                leading(pixels[1][side], pixels[0][side], count),
            ]
            spaces = [each - each.mean(axis=0) for each in spaces]
            cells.append([subspace_overlap(spaces[0], other) for other in spaces[1:]])
        (colours, own_colours), (edges, own_edges) = cells
        print(f"first {count}: {colours:.2f}, {edges:.2f}; {own_colours:.2f}, {own_edges:.2f}")
    print(f"\neigenstep report {options.out}")


@torch.no_grad()
def features(encoders, sides):
    """What the convolutions of both encoders make of both sides."""
    return [rows(encoder.features(images)) for encoder, images in zip(encoders, sides, strict=True)]


@torch.no_grad()
def embedded(trained, sides):
    """Both sides' embeddings by the encoders of a run."""
    return [rows(z) for z in trained(tuple(sides))[1]]


if __name__ == "__main__":
    main()
