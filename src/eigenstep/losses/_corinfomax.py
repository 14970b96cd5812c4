import math

import torch
from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.analysis import CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_positive


class CorInfoMaxLoss(TwoViewLoss):
    r"""CorInfoMax: close views of large log-determinant covariance, which has a memory of earlier batches.

        m_v <- memory m_v + (1 - memory) mean_i z_vi                                    at first 0
        R_v <- memory R_v + (1 - memory) 1/n sum_i (z_vi - m_v)(z_vi - m_v)^T           at first I
        information = -1/d sum_v log det(R_v + eps I)
        invariance  = 1/(n d) sum_i |z_ai - z_bi|^2
        L = information + alpha * invariance

    Embeddings have unit length. What was remembered is a constant for the gradient. The terms have these
    names. Ozsoy, Hamdan, Arik, Yuret and Erdogan 2022, arXiv:2209.07999.

    Parameters
    ----------
    dim : int
        d, of the embeddings.
    alpha : float
        Weight of the invariance term; the authors' is 250 for CIFAR-10, and 500 by default.
    memory : float
        The share that is kept of what was remembered, from 0 up to, not including, 1.
    eps : float
        Added to the diagonal; positive.
    gather_distributed : bool
        Compute over the batches of all ranks.

    Raises
    ------
    ValueError
        For values out of range. The call raises it for embeddings of another dimension.

    Notes
    -----
    Unlike the other losses it has a memory, four buffers. A call in training mode moves it on, as does
    `terms`; in evaluation mode, `loss.eval()`, calls leave it as it is.

    Note: in the authors' code the forgetting factor 0.01 is the share that is kept, so its covariance is
    that of the batch but for a hundredth; memory=0.99 is what the factor's name suggests, and another
    function. lightly has no such loss.

    Log-determinants are computed in float64, which the device must have.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> CorInfoMaxLoss(2, memory=0.0).terms(z, 2 * z)       # covariance I / 2
    {'information': tensor(1.3863), 'invariance': tensor(0.)}
    """

    min_pairs = 2
    more_views = "refused"  # each of two views has a memory of its own
    mean: Tensor
    covariance: Tensor

    def __init__(
        self,
        dim: int,
        alpha: float = 250.0,
        memory: float = 0.01,
        eps: float = 1e-8,
        *,
        gather_distributed: bool = False,
    ) -> None:
        super().__init__(gather_distributed)
        if dim < 1:
            raise ValueError(f"dim expects at least 1, got {dim}")
        if not 0 <= memory < 1:
            raise ValueError(f"memory expects a number from 0 up to, not including, 1, got {memory}")
        check_positive("eps", eps)
        self.dim = dim
        self.alpha = alpha
        self.memory = memory
        self.eps = eps
        self.register_buffer("mean", torch.zeros(2, dim, dtype=torch.float64))
        self.register_buffer("covariance", torch.eye(dim, dtype=torch.float64).repeat(2, 1, 1))

    @property
    def weights(self) -> dict[str, float]:
        return {"information": 1.0, "invariance": self.alpha}

    @property
    def refuses_preconditioning(self) -> str | None:
        return f"CorInfoMax normalises each embedding and divides by the covariance; {LOWERED_ACCURACY}"

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        # Where the memory has settled.
        return [
            Landmark(CONSTANT, -2 * math.log(self.eps), "all embeddings are one"),
            Landmark(
                FLOOR, -2 * math.log(1 / dim + self.eps), "views are one, and fill all directions alike"
            ),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        if batch.z_a.shape[1] != self.dim:
            raise ValueError(
                f"CorInfoMaxLoss expects embeddings of {self.dim} dimensions, got {batch.z_a.shape[1]};"
                " make it with their dim"
            )
        views = normalize_rows(torch.stack([batch.z_a, batch.z_b]), dim=-1)
        mean, covariance = self._moved_on(views.double())
        if self.training:
            self.mean, self.covariance = mean.detach(), covariance.detach()
        damped = covariance + self.eps * torch.eye(self.dim, dtype=covariance.dtype, device=covariance.device)
        information = -torch.logdet(damped).sum() / self.dim
        return {
            "information": information.to(views.dtype),
            "invariance": (views[0] - views[1]).square().mean(),
        }

    def _moved_on(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Means (2, d) and covariances (2, d, d) after this batch."""
        fresh = 1 - self.memory
        mean = self.memory * self.mean.to(views) + fresh * views.mean(1)
        centred = views - mean[:, None]
        covariance = centred.mT @ centred / views.shape[1]
        return mean, self.memory * self.covariance.to(views) + fresh * covariance

    def extra_repr(self) -> str:
        return (
            f"{self.dim}, alpha={self.alpha}, memory={self.memory}, eps={self.eps}, "
            f"gather_distributed={self.gather_distributed}"
        )


def corinfomax_loss(
    z_a: Tensor,
    z_b: Tensor,
    alpha: float = 250.0,
    memory: float = 0.01,
    eps: float = 1e-8,
    *,
    gather_distributed: bool = False,
) -> Tensor:
    """The CorInfoMax loss of a first batch z_a and z_b, both (batch, dim): see `CorInfoMaxLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 3)
    >>> corinfomax_loss(collapsed, collapsed) > corinfomax_loss(torch.eye(3), torch.eye(3))
    tensor(True)
    """
    dim = z_a.shape[-1] if isinstance(z_a, Tensor) and z_a.ndim else 1
    loss = CorInfoMaxLoss(max(dim, 1), alpha, memory, eps, gather_distributed=gather_distributed)
    return loss(z_a, z_b)
