import math

import torch
from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.analysis import CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_positive


class CodingRateLoss(TwoViewLoss):
    r"""The coding rate of SimDINO: views that agree, and a batch that takes many bits to describe.

        alignment = -1/n sum_i cos(a_i, b_i)
        expansion = -(d + n)/(d n) [ R(a) + R(b) ] / 2      R(z) = 1/2 log det(I + d/(n eps) zbar^T zbar)
        L = lambda_param * alignment + expansion

    zbar: the embeddings at unit length; no mean is subtracted. R is the rate at which they are coded up to an
    error of eps. The terms have these names. Wu, Zhang, Pai, Wang, Singh, Yang, Gao and Ma 2025,
    arXiv:2502.10385.

    Parameters
    ----------
    lambda_param : float
        Weight of the alignment.
    eps : float
        Squared error of the code; positive. SimDINO's is 0.5 and SimDINOv2's 0.05.
    gather_distributed : bool
        Compute both terms over the batches of all ranks.

    Raises
    ------
    ValueError
        For an `eps` that is not positive.

    Notes
    -----
    It is SimDINO's loss, with the balancing factor (d + n)/(d n) of the authors' code, of one network and two
    views: SimDINO aligns a network's views with those of its slow copy, and small crops too. lightly has no
    such loss; R(a) and R(b) are the total coding rate in its `EMPSSLLoss`, of embeddings at unit length.

    Examples
    --------
    >>> z = torch.eye(2)
    >>> CodingRateLoss(eps=1.0).terms(z, z)         # R = 1/2 log det 2 I = log 2
    {'alignment': tensor(-1.), 'expansion': tensor(-0.6931)}
    """

    min_pairs = 2

    def __init__(
        self, lambda_param: float = 1.0, eps: float = 0.5, *, gather_distributed: bool = False
    ) -> None:
        super().__init__(gather_distributed)
        check_positive("eps", eps)
        self.lambda_param = lambda_param
        self.eps = eps

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": self.lambda_param, "expansion": 1.0}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"the coding rate is of normalised embeddings; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        def spread_over(directions: int) -> float:
            rate = directions / 2 * math.log1p(dim / (directions * self.eps))
            return -self.lambda_param - (dim + pairs) / (dim * pairs) * rate

        return [
            Landmark(CONSTANT, spread_over(1), "all embeddings are one"),
            Landmark(FLOOR, spread_over(min(pairs, dim)), "views are one, and fill all directions alike"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        views = normalize_rows(torch.stack([batch.z_a, batch.z_b]), dim=-1)
        _, n, d = views.shape
        rate = self._coding_rates(views).mean()
        return {"alignment": -(views[0] * views[1]).sum(1).mean(), "expansion": -(d + n) / (d * n) * rate}

    def _coding_rates(self, views: Tensor) -> Tensor:
        """R of views (v, n, d), from the smaller of z^T z and z z^T, which have it in common: (v,)."""
        _, n, d = views.shape
        products = views.mT @ views if n > d else views @ views.mT
        identity = torch.eye(products.shape[-1], dtype=views.dtype, device=views.device)
        factor = torch.linalg.cholesky(identity + d / (n * self.eps) * products)
        return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def extra_repr(self) -> str:
        return (
            f"lambda_param={self.lambda_param}, eps={self.eps}, gather_distributed={self.gather_distributed}"
        )


def coding_rate_loss(
    z_a: Tensor, z_b: Tensor, lambda_param: float = 1.0, eps: float = 0.5, *, gather_distributed: bool = False
) -> Tensor:
    """The coding-rate loss of embeddings z_a and z_b, both (batch, dim): see `CodingRateLoss`.

    Examples
    --------
    >>> collapsed = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> coding_rate_loss(collapsed, collapsed, eps=2.0)         # -1 - 1/2 log(1 + 1)
    tensor(-1.3466)
    """
    return CodingRateLoss(lambda_param, eps, gather_distributed=gather_distributed)(z_a, z_b)
