from typing import Literal

import torch
from torch import Tensor

from eigenstep.analysis import CONSTANT, FLOOR, NOTHING_LEARNED, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import LOWERED_ACCURACY, TwoViewLoss, check_choice, check_positive


class SpectralContrastiveLoss(TwoViewLoss):
    r"""Spectral contrastive loss: a sample's views have large inner products, different samples small ones.

        L = -2/n sum_i a_i . b_i  +  1/(n (n-1)) sum_{i != j} (a_i . b_j)^2

    a_i and b_j are the embeddings z_a[i] and z_b[j]: all n (n-1) pairs of one view of a sample and the
    other view of another stand for independent samples. The terms are "alignment", the mean of -a_i . b_i
    (weight 2), and "uniformity", the mean of the squares (weight 1). HaoChen et al. 2021,
    arXiv:2106.04156.

    Parameters
    ----------
    mu : float
        Largest squared norm with normalize="ball", without meaning otherwise; positive.
    gather_distributed : bool
        Take the other samples from the batches of all ranks. Each rank computes the rows of its own samples;
        the mean over ranks is the loss of the joint batch.
    normalize : Literal['none', 'ball']
        "none" takes the embeddings as they are, as in the paper's equation. "ball" shortens those that are
        longer than sqrt(mu) to this length and divides the loss by mu, as in the authors' code; shorter ones
        stay as they are.

    Raises
    ------
    ValueError
        For an unknown `normalize` or a `mu` that is not positive.

    Notes
    -----
    Small embeddings W x follow -4 W Gamma, the gradient of un-normalised Barlow Twins (see
    `BarlowTwinsLoss`): the same modes, of the uncentred Gamma, at the same rate. As n grows

        L -> ||W Sigma W^T||_F^2 - 2 tr(W Gamma W^T)        Sigma: second moment of the views

    where Barlow Twins has ||W Gamma W^T||_F^2 - 2 tr(W Gamma W^T) + dim. They are equal up to this
    constant if the two views of each sample are identical, for then Sigma = Gamma. Otherwise they part as
    modes saturate: this loss ends at W^T W = sum_j rho_j v_j v_j^T over the dim largest positive rho of
    Gamma v = rho Sigma v with v^T Sigma v = 1, the directions in which the views agree best, and the
    embeddings' second moment has the eigenvalues rho_j <= 1.

    Examples
    --------
    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> SpectralContrastiveLoss()(z_a, z_b)
    tensor(-2.)
    >>> SpectralContrastiveLoss().terms(z_a, 3 * torch.ones(2, 2))
    {'alignment': tensor(-3.), 'uniformity': tensor(9.)}
    """

    min_pairs = 2
    center = False

    def __init__(
        self,
        mu: float = 1.0,
        *,
        gather_distributed: bool = False,
        normalize: Literal["none", "ball"] = "none",
    ) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("none", "ball"))
        check_positive("mu", mu)
        self.mu = mu
        self.normalize = normalize

    @property
    def weights(self) -> dict[str, float]:
        scale = 1 / self.mu if self.normalize == "ball" else 1.0
        return {"alignment": 2 * scale, "uniformity": scale}

    @property
    def refuses_preconditioning(self) -> str | None:
        if self.normalize == "ball":
            return f'normalize="ball" shortens embeddings; {LOWERED_ACCURACY}'
        return None

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        # Of squared norm m, spread over r directions alike, the loss is -2 m + m^2 / r, lowest at m = r.
        longest, divisor = (self.mu, self.mu) if self.normalize == "ball" else (float("inf"), 1.0)

        def spread_over(directions: int) -> float:
            m = min(longest, directions)
            return (m**2 / directions - 2 * m) / divisor

        found = [
            Landmark(NOTHING_LEARNED, 0.0, "embeddings have hardly any length"),
            Landmark(CONSTANT, spread_over(1), "all embeddings are one, of the best length"),
        ]
        if pairs > dim:  # fewer are made orthogonal, and the loss falls without end
            found.append(Landmark(FLOOR, spread_over(dim), "partners are one, and fill all directions alike"))
        return found

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        a, b, n = self._normalized(batch.z_a), self._normalized(batch.z_b), len(batch.z_a)
        own = batch.own_rows
        sample = torch.arange(n, device=a.device)
        products = (a[own] @ b.T).masked_fill(sample[own, None] == sample, 0)
        return {
            "alignment": batch.joint_mean(-(a[own] * b[own]).sum(), n),
            "uniformity": batch.joint_mean(products.square().sum(), n * (n - 1)),
        }

    def _normalized(self, z: Tensor) -> Tensor:
        if self.normalize == "ball":
            return z / (z.norm(dim=1, keepdim=True) / self.mu**0.5).clamp(min=1)
        return z

    def extra_repr(self) -> str:
        return f"mu={self.mu}, gather_distributed={self.gather_distributed}, normalize={self.normalize!r}"


def spectral_contrastive_loss(
    z_a: Tensor,
    z_b: Tensor,
    mu: float = 1.0,
    *,
    gather_distributed: bool = False,
    normalize: Literal["none", "ball"] = "none",
) -> Tensor:
    """The spectral contrastive loss of z_a and z_b, both (batch, dim): see `SpectralContrastiveLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 1)
    >>> spectral_contrastive_loss(collapsed, collapsed)
    tensor(-1.)
    """
    loss = SpectralContrastiveLoss(mu, gather_distributed=gather_distributed, normalize=normalize)
    return loss(z_a, z_b)
