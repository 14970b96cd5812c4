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
| `LeJEPALoss` | LeJEPA: prediction and SIGReg, of three definitions | `lejepa_loss` |
| `VISRegLoss` | VISReg: scale, shape and centre | `visreg_loss` |
| `MMCRLoss` | MMCR: maximum manifold capacity | `mmcr_loss` |
| `FroSSLLoss` | FroSSL: Frobenius norm | `frossl_loss` |
| `CorInfoMaxLoss` | CorInfoMax: log-determinant of a running covariance | `corinfomax_loss` |
| `CodingRateLoss` | SimDINO's coding rate, of two views | `coding_rate_loss` |
| `CLIPLoss` | CLIP: two encoders, each sample picks its partner | `clip_loss` |
| `SigLIPLoss` | SigLIP: two encoders, pair by pair | `siglip_loss` |
| `NegativeCosineSimilarity` | SimSiam, BYOL | `negative_cosine_similarity` |
| `SupConLoss` | supervised contrastive learning: takes labels | `sup_con_loss` |
| `NSCLLoss` | negatives of other classes only: takes labels | `nscl_loss` |

Constructor names, their order, defaults and definitions follow lightly, whose further options are accepted
where they are off. Those that lightly calls otherwise (W-MSE, LeJEPA, VISReg, MMCR, FroSSL) or lacks (the
spectral ones, CorInfoMax, the coding rate, CLIP, SigLIP) have their own; each says which of lightly's values
are its. Every loss is called as `loss(z_a, z_b)` with two tensors of shape (batch, dim), row i of both made
from the same sample, and also offers

- `loss.terms(z_a, z_b)`, the terms by name, and `loss.weights`, the factor of each term: the loss is
  `sum(loss.weights[name] * term for name, term in loss.terms(z_a, z_b).items())`;
- `loss.loss_and_terms(z_a, z_b)`, both from one computation, the terms without gradient;
- `loss.landmarks(pairs, dim)`, the values that it has by itself, by formula: chance, constant embeddings,
  the floor, for its value to be compared with; `named_landmarks` gives those of other libraries' losses;
- `loss.of_views([z_a, z_b, z_c, ...], n_global=2)`, the same of more than two views of a sample, such as
  local crops: of all at once where the loss is defined so (LeJEPA, VISReg, MMCR), else the mean over pairs;
- a function twin with the same options, such as `barlow_twins_loss(z_a, z_b, lambda_param=1.0)`.

`SupConLoss` and `NSCLLoss` take a third argument, `loss(z_a, z_b, labels)`, in the others and their twins
likewise; LeJEPA and VISReg take one if there is one, a generator that their random directions are drawn from.

Losses compute in float32 at least, also under autocast, and all but `CorInfoMaxLoss` keep no state.
`CLIPLoss` and `SigLIPLoss` have parameters of their own, a temperature and a bias, which the optimizer is to
be given. With `gather_distributed=True` losses see the joint batch of all ranks, with exact gradients;
without an initialised process group that is this process's own, and a torch built without torch.distributed
is a ValueError.
"""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.losses._barlow_twins import BarlowTwinsLoss, barlow_twins_loss
    from eigenstep.losses._clip import CLIPLoss, clip_loss
    from eigenstep.losses._coding_rate import CodingRateLoss, coding_rate_loss
    from eigenstep.losses._corinfomax import CorInfoMaxLoss, corinfomax_loss
    from eigenstep.losses._dcl import DCLLoss, dcl_loss
    from eigenstep.losses._frossl import FroSSLLoss, frossl_loss
    from eigenstep.losses._joint_batch import JointBatch, gather_batch, gather_views
    from eigenstep.losses._labelled_loss import LabelledLoss
    from eigenstep.losses._landmarks import choice_landmarks
    from eigenstep.losses._lejepa import LeJEPALoss, lejepa_loss
    from eigenstep.losses._mmcr import MMCRLoss, mmcr_loss
    from eigenstep.losses._named_landmarks import named_landmarks
    from eigenstep.losses._negative_cosine_similarity import (
        NegativeCosineSimilarity,
        negative_cosine_similarity,
    )
    from eigenstep.losses._nscl import NSCLLoss, nscl_loss
    from eigenstep.losses._nt_xent import NTXentLoss, nt_xent_loss
    from eigenstep.losses._pairs_of_views import mean_over_pairs
    from eigenstep.losses._siglip import SigLIPLoss, siglip_loss
    from eigenstep.losses._sliced_loss import SlicedLoss
    from eigenstep.losses._spectral import SpectralLoss, spectral_loss
    from eigenstep.losses._spectral_contrastive import SpectralContrastiveLoss, spectral_contrastive_loss
    from eigenstep.losses._sup_con import SupConLoss, sup_con_loss
    from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss
    from eigenstep.losses._vicreg import VICRegLoss, vicreg_loss
    from eigenstep.losses._visreg import VISRegLoss, visreg_loss
    from eigenstep.losses._wmse import WMSELoss, wmse_loss
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "BarlowTwinsLoss",
    "CLIPLoss",
    "CodingRateLoss",
    "CorInfoMaxLoss",
    "DCLLoss",
    "FroSSLLoss",
    "JointBatch",
    "LOWERED_ACCURACY",
    "LabelledLoss",
    "LeJEPALoss",
    "MMCRLoss",
    "NSCLLoss",
    "NTXentLoss",
    "NegativeCosineSimilarity",
    "SigLIPLoss",
    "SlicedLoss",
    "SpectralContrastiveLoss",
    "SpectralLoss",
    "SupConLoss",
    "TwoViewLoss",
    "VICRegLoss",
    "VISRegLoss",
    "WMSELoss",
    "barlow_twins_loss",
    "choice_landmarks",
    "clip_loss",
    "coding_rate_loss",
    "corinfomax_loss",
    "dcl_loss",
    "frossl_loss",
    "gather_batch",
    "gather_views",
    "lejepa_loss",
    "mean_over_pairs",
    "mmcr_loss",
    "negative_cosine_similarity",
    "named_landmarks",
    "nscl_loss",
    "nt_xent_loss",
    "siglip_loss",
    "spectral_contrastive_loss",
    "spectral_loss",
    "sup_con_loss",
    "vicreg_loss",
    "visreg_loss",
    "wmse_loss",
]
