"""Worst difference between the losses here and lightly's, in value and gradient, on random embeddings.

    python benchmarks/losses_against_lightly.py

Float64, gradients of both views. Value: relative difference. Gradient: largest difference of an element,
divided by the gradient's largest element. Each row is the worst of five seeds and of embedding scales
1e-3, 1 and 30. W-MSE stands only where lightly accepts the batch, at least twice the dimension; lightly's
sub-batch is then the whole batch.
"""

import warnings

import lightly.loss
import torch

from eigenstep.losses import (
    BarlowTwinsLoss,
    DCLLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    VICRegLoss,
    WMSELoss,
)
from eigenstep.machine import set_threads

SHAPES = [(2, 2), (8, 5), (64, 128), (256, 64)]
SCALES = [1e-3, 1.0, 30.0]
SEEDS = range(5)


def lightly_wmse(z_a: torch.Tensor, z_b: torch.Tensor) -> torch.Tensor:
    loss = lightly.loss.WMSELoss(embedding_dim=z_a.shape[1], w_size=len(z_a), track_running_stats=False)
    return loss(torch.cat([z_a, z_b]))


PAIRS = [
    ("BarlowTwinsLoss()", BarlowTwinsLoss(), lightly.loss.BarlowTwinsLoss()),
    ("BarlowTwinsLoss(1.0)", BarlowTwinsLoss(1.0), lightly.loss.BarlowTwinsLoss(1.0)),
    ("NTXentLoss()", NTXentLoss(), lightly.loss.NTXentLoss()),
    ("NTXentLoss(0.07)", NTXentLoss(0.07), lightly.loss.NTXentLoss(0.07)),
    ("VICRegLoss()", VICRegLoss(), lightly.loss.VICRegLoss()),
    ("VICRegLoss(1, 2, 3)", VICRegLoss(1, 2, 3), lightly.loss.VICRegLoss(1, 2, 3)),
    ("WMSELoss()", WMSELoss(), lightly_wmse),
    ("DCLLoss()", DCLLoss(), lightly.loss.DCLLoss()),
    ("DCLLoss(sigma=0.5)", DCLLoss(sigma=0.5), lightly.loss.DCLWLoss()),
    ("NegativeCosineSimilarity()", NegativeCosineSimilarity(), lightly.loss.NegativeCosineSimilarity()),
]


def main() -> None:
    set_threads(1)
    # lightly's DCLWLoss copies a tensor in a way that torch warns of.
    warnings.filterwarnings("ignore", message="To copy construct from a tensor")
    print(f"{'loss':26} {'batch x dim':>12} {'value':>9} {'gradient':>9}")
    for name, own, peer in PAIRS:
        for shape in SHAPES:
            if peer is lightly_wmse and shape[0] < 2 * shape[1]:
                continue
            differences = [difference(own, peer, shape, scale, seed) for scale in SCALES for seed in SEEDS]
            value, gradient = (max(column) for column in zip(*differences, strict=True))
            print(f"{name:26} {f'{shape[0]} x {shape[1]}':>12} {value:9.1e} {gradient:9.1e}")


def difference(own, peer, shape, scale, seed) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(seed)
    common, noise_a, noise_b = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    views = [(scale * (common + 0.4 * noise + 0.3)).requires_grad_() for noise in (noise_a, noise_b)]
    values = [loss(*views) for loss in (own, peer)]
    gradients = [torch.stack(torch.autograd.grad(value, views)) for value in values]
    return relative(*values), relative(*gradients)


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


if __name__ == "__main__":
    main()
