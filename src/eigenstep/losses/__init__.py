"""Losses of two views' embeddings, one file each.

| loss | method | function twin |
| --- | --- | --- |
| `BarlowTwinsLoss` | Barlow Twins | `barlow_twins_loss` |
| `NTXentLoss` | SimCLR | `nt_xent_loss` |
| `VICRegLoss` | VICReg | `vicreg_loss` |
| `SpectralContrastiveLoss` | spectral contrastive learning | `spectral_contrastive_loss` |
| `SpectralLoss` | Barlow Twins, its gradient divided by a power of C | `spectral_loss` |
| `WMSELoss` | W-MSE: whitening | `wmse_loss` |
| `DCLLoss` | decoupled contrastive learning, DCL and DCLW | `dcl_loss` |
| `NegativeCosineSimilarity` | SimSiam, BYOL | `negative_cosine_similarity` |
| `SupConLoss` | supervised contrastive learning: takes labels | `sup_con_loss` |

Constructor names, their order, defaults and definitions follow lightly, whose further options are accepted
where they are off; W-MSE, which lightly calls with both views in one tensor, and the spectral losses, which
it lacks, have their own. Every loss is called as `loss(z_a, z_b)` with two tensors of shape (batch, dim),
row i of both made from the same sample, and also offers

- `loss.terms(z_a, z_b)`, the terms by name, and `loss.weights`, the factor of each term: the loss is
  `sum(loss.weights[name] * term for name, term in loss.terms(z_a, z_b).items())`;
- `loss.loss_and_terms(z_a, z_b)`, both from one computation, the terms without gradient;
- a function twin with the same options, such as `barlow_twins_loss(z_a, z_b, lambda_param=1.0)`.

`SupConLoss` alone takes a third argument, `loss(z_a, z_b, labels)`, in the others and its twin likewise.

Losses compute in float32 at least, also under autocast, and keep no state. With
`gather_distributed=True` they see the joint batch of all ranks, with exact gradients; without an initialised
process group that is this process's own, and a torch built without torch.distributed is a ValueError.
"""

from eigenstep.losses._barlow_twins import BarlowTwinsLoss, barlow_twins_loss
from eigenstep.losses._dcl import DCLLoss, dcl_loss
from eigenstep.losses._joint_batch import JointBatch, gather_batch
from eigenstep.losses._negative_cosine_similarity import NegativeCosineSimilarity, negative_cosine_similarity
from eigenstep.losses._nt_xent import NTXentLoss, nt_xent_loss
from eigenstep.losses._spectral import SpectralLoss, spectral_loss
from eigenstep.losses._spectral_contrastive import SpectralContrastiveLoss, spectral_contrastive_loss
from eigenstep.losses._sup_con import SupConLoss, sup_con_loss
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss
from eigenstep.losses._vicreg import VICRegLoss, vicreg_loss
from eigenstep.losses._wmse import WMSELoss, wmse_loss

__all__ = [
    "BarlowTwinsLoss",
    "DCLLoss",
    "JointBatch",
    "LOWERED_ACCURACY",
    "NTXentLoss",
    "NegativeCosineSimilarity",
    "SpectralContrastiveLoss",
    "SpectralLoss",
    "SupConLoss",
    "TwoViewLoss",
    "VICRegLoss",
    "WMSELoss",
    "barlow_twins_loss",
    "dcl_loss",
    "gather_batch",
    "negative_cosine_similarity",
    "nt_xent_loss",
    "spectral_contrastive_loss",
    "spectral_loss",
    "sup_con_loss",
    "vicreg_loss",
    "wmse_loss",
]
