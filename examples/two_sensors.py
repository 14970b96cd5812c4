"""Two encoders of two kinds of data: the colours and the edges of the same photographs.

One sensor sees the colours of a patch at a quarter of its resolution, the other only how much its brightness
changes from place to place. Two small convolutional networks, one for each, are trained by CLIP from a small
start, and a monitor records their embeddings. What they learn first is foretold before any training: an
encoder that starts small moves first in its last layer, so `CrossKernelPCA` takes the untrained networks'
features of both sides. Printed is when each mode was foretold to be half learned and when it was, and how
much the spaces of the first k predicted dimensions and of the first k trained ones, when so many have been
learned, agree on patches that nothing was fitted to, beside the principal components of each sensor alone.

    python examples/two_sensors.py [--steps 200] [--pairs 512] [--out runs/two-sensors]
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, pad

from eigenstep import SpectrumMonitor
from eigenstep.images import ImagesConfig, load_images
from eigenstep.kernel import CrossKernelPCA
from eigenstep.losses import CLIPLoss
from eigenstep.theory import subspace_overlap

DIM, MODES, TEMPERATURE, START = 8, 2, 1.0, 1e-3
RATE, MOMENTUM, LARGEST_GRADIENT = 0.05, 0.9, 0.5


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


@torch.no_grad()
def rows(network, images):
    return network(images).flatten(1).double().numpy()


def leading(embedding, known, count):
    """Embeddings (n, d) along the first principal directions of those of the known patches."""
    mean = known.mean(axis=0)
    return (embedding - mean) @ np.linalg.svd(known - mean, full_matrices=False)[2][:count].T


def singular_values(z_a, z_b):
    return torch.linalg.svdvals((z_a - z_a.mean(0)).T @ (z_b - z_b.mean(0)) / len(z_a))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--out", default="runs/two-sensors")
    options = parser.parse_args()

    torch.manual_seed(0)
    patches = load_images("photos", ImagesConfig(size=32, patches=2 * options.pairs)).images / 255
    # What is learned from, and what is held out.
    known, new = zip(*(each.split(options.pairs) for each in sensors(patches)), strict=True)
    encoders = [Encoder(2), Encoder(1)]

    predicted = CrossKernelPCA(MODES, kernel="linear").fit(*each_row(encoders, known, "features"))
    features = each_row(encoders, new, "features")
    foretold = predicted.transform(features[0]), predicted.transform_y(features[1])
    # Momentum makes each step worth 1 / (1 - momentum); the mean of both sides' starts is what grows.
    times = predicted.learning_times(START * (DIM / 2) ** 0.5, TEMPERATURE) * (1 - MOMENTUM) / RATE

    criterion = CLIPLoss(TEMPERATURE, learnable=False, normalize="none")
    parameters = [each for encoder in encoders for each in encoder.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)
    halves = TEMPERATURE * predicted.rho_**2 / 2
    seen, learned = [], []  # the step at which each mode has been half learned, and the embeddings then
    with SpectrumMonitor(options.out, DIM, every=5, planned_steps=options.steps) as monitor:
        for step in range(options.steps):
            z_a, z_b = (encoder(images) for encoder, images in zip(encoders, known, strict=True))
            loss = criterion(z_a, z_b)
            monitor.update(z_a.detach(), z_b.detach(), loss=loss.detach(), learning_rate=RATE)
            if (
                len(seen) < MODES
                and singular_values(z_a.detach(), z_b.detach())[len(seen)] > halves[len(seen)]
            ):
                seen.append(step)
                learned.append([each_row(encoders, part) for part in (new, known)])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(
                parameters, LARGEST_GRADIENT
            )  # small ones, of the start, stay as they are
            optimizer.step()

    print("mode  covariance  correlation  half learned at step: foretold  seen")
    numbers = zip(predicted.singular_values_, predicted.rho_, times, strict=True)
    for mode, (covariance, rho, step) in enumerate(numbers):
        when = seen[mode] if mode < len(seen) else "later"
        print(f"{mode + 1:>4}  {covariance:>10.3f}  {rho:>11.2f}  {step:>30.0f}  {when:>4}")

    print(f"\nheld-out agreement, {options.pairs} patches: colours, edges; with each sensor's own components")
    pixels = [[each.flatten(1).double().numpy() for each in part] for part in (new, known)]
    for count, embeddings in enumerate(learned, 1):
        cells = []
        for side in range(2):
            spaces = [
                leading(embeddings[0][side], embeddings[1][side], count),
                foretold[side][:, :count],
                leading(pixels[0][side], pixels[1][side], count),
            ]
            spaces = [each - each.mean(axis=0) for each in spaces]
            cells.append([subspace_overlap(spaces[0], other) for other in spaces[1:]])
        (colours, own_colours), (edges, own_edges) = cells
        print(f"first {count}: {colours:.2f}, {edges:.2f}; {own_colours:.2f}, {own_edges:.2f}")
    print(f"\neigenstep report {options.out}")


def each_row(encoders, sides, part=None):
    """Both encoders' embeddings, or their features, of both sides."""
    networks = [getattr(encoder, part) if part else encoder for encoder in encoders]
    return [rows(network, images) for network, images in zip(networks, sides, strict=True)]


if __name__ == "__main__":
    main()
