"""Losses of two views' embeddings: Barlow Twins, SimCLR's NT-Xent and VICReg.

Constructor names, defaults and definitions follow lightly. Every loss is called as `loss(z_a, z_b)`
with two tensors of shape (batch, dim), row i of both made from the same sample, and also offers

- `loss.terms(z_a, z_b)`, the terms by name, and `loss.weights`, the factor of each term: the loss is
  `sum(loss.weights[name] * term for name, term in loss.terms(z_a, z_b).items())`;
- a function twin with the same options, such as `barlow_twins_loss(z_a, z_b, lambda_param=1.0)`.

Losses compute in float32 at least, also under autocast, and keep no state.
"""

from eigenstep.losses._barlow_twins import BarlowTwinsLoss, barlow_twins_loss
from eigenstep.losses._nt_xent import NTXentLoss, nt_xent_loss
from eigenstep.losses._vicreg import VICRegLoss, vicreg_loss

__all__ = [
    "BarlowTwinsLoss",
    "NTXentLoss",
    "VICRegLoss",
    "barlow_twins_loss",
    "nt_xent_loss",
    "vicreg_loss",
]
