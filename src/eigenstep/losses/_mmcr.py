import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.analysis import CONSTANT, FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_choice


class MMCRLoss(TwoViewLoss):
    r"""MMCR: samples' centroids fill all directions, each sample's views few (maximum manifold capacity).

        centroids = -||C||_*                            C: (n, d), the mean of each sample's views
        manifolds = 1/n sum_i ||Z_i||_*                 Z_i: (V, d), the views of sample i
        L = centroids + lambda_param manifolds

    ||.||_*: the nuclear norm, the sum of the singular values. Views have unit length. V = 2: z_a and z_b;
    `of_views` takes more. The terms have these names. Yerxa, Kuang, Simoncelli and Chung 2023,
    arXiv:2303.03307.

    Parameters
    ----------
    lambda_param : float
        Weight of the manifolds' term, not negative.
    gather_distributed : bool
        Compute both terms over the batches of all ranks.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper and its code. "none" takes the
        embeddings as they are: the loss then falls without end as they grow.

    Raises
    ------
    ValueError
        For an unknown `normalize` and a negative weight.

    Notes
    -----
    Note: lightly's loss (1.6) does not normalise, so its value is that of normalize="none" unless its caller
    does. It takes the views of an encoder and of its slow copy as the views of one sample, of which there is
    one in its simplest use: `lightly(z_a[:, None], z_b[:, None])`.

    With normalize="none" and lambda_param=0 the gradient at the centroids is minus their polar factor: all
    modes grow at one rate, those of small variance too.

    Examples
    --------
    >>> z = torch.eye(3)
    >>> MMCRLoss(0.5).terms(z, z)
    {'centroids': tensor(-3.), 'manifolds': tensor(1.4142)}
    """

    min_pairs = 2
    more_views = "together"

    def __init__(
        self,
        lambda_param: float = 5e-3,
        *,
        gather_distributed: bool = False,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("cosine", "none"))
        if not lambda_param >= 0:
            raise ValueError(f"lambda_param expects a number that is not negative, got {lambda_param}")
        self.lambda_param = lambda_param
        self.normalize = normalize

    @property
    def weights(self) -> dict[str, float]:
        return {"centroids": 1.0, "manifolds": self.lambda_param}

    @property
    def refuses_preconditioning(self) -> str | None:
        if self.normalize == "cosine":
            return f"MMCR normalises each embedding; {LOWERED_ACCURACY}"
        return "MMCR's gradient gives all modes one rate already"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        if self.normalize == "none":  # it falls without end
            return [Landmark(NOTHING_LEARNED, 0.0, "embeddings have hardly any length")]
        manifolds = self.lambda_param * math.sqrt(2)  # of two equal views of unit length
        filled = math.sqrt(pairs * min(pairs, dim))
        return [
            Landmark(CONSTANT, manifolds - math.sqrt(pairs), "all embeddings are one"),
            Landmark(FLOOR, manifolds - filled, "views are one, and samples fill all directions alike"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        views = torch.stack(batch.views, dim=1)
        if self.normalize == "cosine":
            views = normalize_rows(views, dim=-1)
        return {
            "centroids": -torch.linalg.svdvals(views.mean(1)).sum(),
            "manifolds": torch.linalg.svdvals(views).sum(1).mean(),
        }

    def extra_repr(self) -> str:
        return (
            f"lambda_param={self.lambda_param}, gather_distributed={self.gather_distributed}, "
            f"normalize={self.normalize!r}"
        )


def mmcr_loss(
    z_a: Tensor,
    z_b: Tensor,
    lambda_param: float = 5e-3,
    *,
    gather_distributed: bool = False,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """The MMCR loss of embeddings z_a and z_b, both (batch, dim): see `MMCRLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 3)
    >>> mmcr_loss(collapsed, collapsed, 0.0)        # one direction: -sqrt(n)
    tensor(-2.0000)
    """
    return MMCRLoss(lambda_param, gather_distributed=gather_distributed, normalize=normalize)(z_a, z_b)
