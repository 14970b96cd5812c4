import math
from typing import Literal

import torch
from torch import Tensor

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._contrastive import ContrastiveLoss
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import BLIND, SMALL
from eigenstep.losses._two_view_loss import check_positive


class DCLLoss(ContrastiveLoss):
    r"""Decoupled contrastive loss: NT-Xent without the positive pair in the denominator.

        s_kl = z_k . z_l / temperature                            z: the 2n embeddings of both views
        L = 1/(2n) sum_k [ -w_k s_kp(k) + log sum_{l != k, p(k)} exp s_kl ]
        w_k = 1, or 2 - n softmax_i(a_i . b_i / sigma)            p(k): the other view of k's sample

    The softmax is over the n samples i and taken at the sample of k: pairs that agree already count less.
    The terms are "alignment", the mean of -w_k s_kp(k), and "uniformity", the mean of the logarithm; both
    have weight 1. Yeh et al. 2022, arXiv:2110.06848; definition and defaults are those of lightly, whose
    DCLWLoss is sigma=0.5.

    Parameters
    ----------
    temperature : float
        Divides the similarities; positive.
    weight_fn : None
        lightly's, which must be off, None: its `negative_mises_fisher_weights` are `sigma`.
    sigma : float | None
        Width of the weights w_k, which are constants for the gradient; None for w_k = 1.
    gather_distributed : bool
        Take the other samples, and the softmax, from the batches of all ranks. Each rank computes the rows of
        its own samples; the mean over ranks is the loss of the joint batch.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper. "none" takes the inner products of
        the embeddings as they are.

    Raises
    ------
    ValueError
        For an unknown `normalize`, for a temperature or sigma that is not positive, and for a `weight_fn`.

    Notes
    -----
    With normalize="none" embeddings W x start at L = log(2n - 2) with the gradient

        -(2 / temperature) W [ (2n-1) Gamma - 2n xbar xbar^T + Sigma ] / (2n-2)

    which is that of `NTXentLoss` times (2n-1)/(2n-2): the same modes, a little faster.

    Examples
    --------
    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> DCLLoss(temperature=1.0)(z_a, z_b)      # -1 + log(1 + 1)
    tensor(-0.3069)
    >>> DCLLoss(temperature=1.0, sigma=0.5).terms(z_a, z_b)     # equal pairs have equal weights
    {'alignment': tensor(-1.), 'uniformity': tensor(0.6931)}
    """

    def __init__(
        self,
        temperature: float = 0.1,
        weight_fn: None = None,
        gather_distributed: bool = False,
        *,
        sigma: float | None = None,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(temperature, gather_distributed, normalize)
        if weight_fn is not None:
            raise ValueError(
                f"DCLLoss takes no function of weights, expected weight_fn=None, got {weight_fn!r}; lightly's"
                " negative_mises_fisher_weights are sigma=0.5"
            )
        if sigma is not None:
            check_positive("sigma", sigma)
        self.sigma = sigma

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        chance = math.log(2 * pairs - 2)  # all similarities are equal, and so are the weights
        if self.normalize == "none":  # it falls without end
            return [Landmark(CHANCE, chance, SMALL)]
        floor = chance - 1 / self.temperature
        return [
            Landmark(CHANCE, chance, BLIND),
            Landmark(FLOOR, floor, "partners are one, all others at right angles"),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        similarities = self._similarities(batch)
        positive = similarities.of_partners()
        negatives = similarities.values.scatter(1, similarities.partner[:, None], -torch.inf)
        if self.sigma is not None:
            positive = positive * self._sample_weights(batch, self.sigma)[batch.own_rows].repeat(2)
        return self._mean_terms(batch, positive, negatives)

    @torch.no_grad()
    def _sample_weights(self, batch: JointBatch, sigma: float) -> Tensor:
        z_a, z_b = self._normalized(batch)
        return 2 - len(z_a) * ((z_a * z_b).sum(1) / sigma).softmax(0)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sigma={self.sigma}"


def dcl_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.1,
    weight_fn: None = None,
    gather_distributed: bool = False,
    *,
    sigma: float | None = None,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """The decoupled contrastive loss of embeddings z_a and z_b, both (batch, dim): see `DCLLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 3)
    >>> dcl_loss(collapsed, collapsed, temperature=1.0)     # -1 + log(e (2n - 2))
    tensor(1.7918)
    """
    loss = DCLLoss(temperature, weight_fn, gather_distributed, sigma=sigma, normalize=normalize)
    return loss(z_a, z_b)
