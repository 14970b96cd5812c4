"""Worst difference between the losses here and lightly's, in value and gradient, on random embeddings.

    python benchmarks/losses_against_lightly.py

Float64, gradients of both views. Value: relative difference. Gradient: largest difference of an element,
divided by the gradient's largest element. Each row is the worst of five seeds and of embedding scales
1e-3, 1 and 30. W-MSE stands only where lightly accepts the batch, at least twice the dimension; lightly's
sub-batch is then the whole batch. LeJEPA and VISReg are put together from lightly's parts, along the same
random directions, as its classes refuse two views that are both global; its numbers for the knots and
quantiles are of float32. The coding rate is that of lightly's EMP-SSL, of unit vectors.
"""

import warnings
from typing import Any
from unittest.mock import patch

import lightly.loss
import torch
from lightly.loss import emp_ssl_loss, lejepa_loss, visreg_loss

from eigenstep.losses import (
    BarlowTwinsLoss,
    CodingRateLoss,
    DCLLoss,
    FroSSLLoss,
    LeJEPALoss,
    MMCRLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SlicedLoss,
    VICRegLoss,
    VISRegLoss,
    WMSELoss,
)
from eigenstep.machine import set_threads

SHAPES = [(2, 2), (8, 5), (64, 128), (256, 64)]
SCALES = [1e-3, 1.0, 30.0]
SEEDS = range(5)


def lightly_wmse(z_a: torch.Tensor, z_b: torch.Tensor) -> torch.Tensor:
    loss = lightly.loss.WMSELoss(embedding_dim=z_a.shape[1], w_size=len(z_a), track_running_stats=False)
    return loss(torch.cat([z_a, z_b]))


def lightly_lejepa(z_a: torch.Tensor, z_b: torch.Tensor) -> torch.Tensor:
    views = torch.stack([z_a, z_b])
    with along(slices_of(z_a, 1024)):
        sigreg = lejepa_loss.SIGReg()(views)
    invariance = lejepa_loss.lejepa_invariance_loss(all_proj=views, global_proj=views)
    return 0.05 * sigreg + 0.95 * invariance


def lightly_visreg(z_a: torch.Tensor, z_b: torch.Tensor) -> torch.Tensor:
    views = torch.stack([z_a, z_b])
    with along(slices_of(z_a, 4096)):
        shape = visreg_loss.visreg_shape_loss(views, 4096)
    regularization = visreg_loss.visreg_scale_loss(views) + shape + visreg_loss.visreg_center_loss(views)
    invariance = lejepa_loss.lejepa_invariance_loss(all_proj=views, global_proj=views)
    return 0.9 * regularization + 0.1 * invariance


def lightly_coding_rate(z_a: torch.Tensor, z_b: torch.Tensor) -> torch.Tensor:
    n, d = z_a.shape
    views = torch.nn.functional.normalize(torch.stack([z_a, z_b]), dim=-1)
    rate = emp_ssl_loss.tcr_loss(views, 0.5)
    return -(views[0] * views[1]).sum(1).mean() - (d + n) / (d * n) * rate


def slices_of(z: torch.Tensor, count: int) -> torch.Tensor:
    """What a loss draws with a generator of seed 0."""
    return torch.randn(z.shape[1], count, generator=torch.Generator().manual_seed(0)).to(z)


def along(slices: torch.Tensor) -> Any:
    """In which lightly's next draw is this one."""
    return patch.object(torch, "randn", lambda *_, **__: slices.clone())


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
    ("LeJEPALoss()", LeJEPALoss(), lightly_lejepa),
    ("VISRegLoss()", VISRegLoss(), lightly_visreg),
    (
        "MMCRLoss(normalize='none')",
        MMCRLoss(normalize="none"),
        lambda z_a, z_b: lightly.loss.MMCRLoss()(z_a[:, None], z_b[:, None]),
    ),
    ("FroSSLLoss()", FroSSLLoss(), lambda z_a, z_b: lightly.loss.FroSSLLoss()([z_a, z_b])),
    ("CodingRateLoss()", CodingRateLoss(), lightly_coding_rate),
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
    drawn = [torch.Generator().manual_seed(0)] if isinstance(own, SlicedLoss) else []
    values = [own(*views, *drawn), peer(*views)]
    gradients = [torch.stack(torch.autograd.grad(value, views)) for value in values]
    return relative(*values), relative(*gradients)


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max()).item()


if __name__ == "__main__":
    main()
