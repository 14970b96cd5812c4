import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import BLIND, ENDLESS, SMALL
from eigenstep.losses._pair_logits import PairLogitsLoss, own_columns


class CLIPLoss(PairLogitsLoss):
    r"""CLIP: each sample of one side picks its partner out of the other side's batch.

        s_ij = a_i . b_j / temperature                            a, b: the n embeddings of each side
        L = 1/(2n) sum_i [ -2 s_ii + log sum_j exp s_ij + log sum_j exp s_ji ]

    The two sides may come from two encoders and two kinds of data, such as images and texts. Unlike NT-Xent
    a sample is never compared with its own side. The terms are "alignment", the mean of -s_ii, and
    "uniformity", the mean of the logarithms; both have weight 1. Radford et al. 2021, arXiv:2103.00020.

    Parameters
    ----------
    temperature : float
        Divides the similarities; positive. CLIP starts from 0.07.
    gather_distributed : bool
        Take the other samples from the batches of all ranks. Each rank computes the rows of its own samples
        of both sides; the mean over ranks is the loss of the joint batch.
    learnable : bool
        Learn the temperature, as the published method does: -log(temperature) is the parameter
        `logit_scale`. Give the loss's parameters to the optimizer, which `train(objective=)` does. It stays
        above 0.01, also as published.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper. "none" takes the inner products of
        the embeddings as they are.

    Attributes
    ----------
    logit_scale : torch.nn.Parameter | None
        -log(temperature), a scalar; None where that is fixed.

    Raises
    ------
    ValueError
        For an unknown `normalize`, a temperature that is not positive, and a learnable one below 0.01.

    Notes
    -----
    With normalize="none" embeddings a = W x and b = V y start at L = log n with the gradients

        -(1 / temperature) V S^T of W,    -(1 / temperature) W S of V
        S = 1/n sum_i (x_i - xbar) (y_i - ybar)^T

    Thus they grow along the top singular vectors of the cross-covariance S, each side along its own: see
    `eigenstep.theory.CLIP`.

    Examples
    --------
    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> CLIPLoss(temperature=1.0, learnable=False)(z_a, z_b)      # -1 + log(e + 1)
    tensor(0.3133)
    >>> CLIPLoss().temperature, sum(each.numel() for each in CLIPLoss().parameters())
    (0.07..., 1)
    """

    max_scale = 100.0

    def __init__(
        self,
        temperature: float = 0.07,
        gather_distributed: bool = False,
        *,
        learnable: bool = True,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(temperature, gather_distributed, learnable, normalize)

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": 1.0, "uniformity": 1.0}

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        value = math.log(pairs)
        if self.normalize == "none":
            return [Landmark(CHANCE, value, SMALL), Landmark(FLOOR, 0.0, ENDLESS)]
        chance = Landmark(CHANCE, value, BLIND)
        scale = self.max_scale if self.learnable else 1 / self.temperature
        says = "partners are one, all others at right angles"
        says += f", at the lowest temperature that is learned, {1 / scale:g}" if self.learnable else ""
        return [chance, Landmark(FLOOR, math.log1p((pairs - 1) * math.exp(-scale)), says)]

    def _loss(self, batch: JointBatch) -> Tensor:
        return self._cross_entropy(batch, self._logits(batch))

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        return self._mean_terms(batch, self._logits(batch))

    def _loss_and_terms(self, batch: JointBatch) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self._logits(batch)
        with torch.no_grad():
            terms = self._mean_terms(batch, logits)
        return self._cross_entropy(batch, logits), terms

    def _logits(self, batch: JointBatch) -> Tensor:
        """Own samples of either side, one side below the other, against all of the other side, (rows, n)."""
        z_a, z_b = self._directions(batch)
        own = batch.own_rows
        return torch.cat([z_a[own] @ z_b.T, z_b[own] @ z_a.T]) * self._scale()

    def _mean_terms(self, batch: JointBatch, logits: Tensor) -> dict[str, Tensor]:
        partners = logits.gather(1, own_columns(batch).repeat(2)[:, None])
        samples = 2 * len(batch.z_a)
        return {
            "alignment": batch.joint_mean(-partners.sum(), samples),
            "uniformity": batch.joint_mean(logits.logsumexp(1).sum(), samples),
        }

    def _cross_entropy(self, batch: JointBatch, logits: Tensor) -> Tensor:
        # Not the sum of the terms: near 0 it is the small difference of two large numbers.
        total = cross_entropy(logits, own_columns(batch).repeat(2), reduction="sum")
        return batch.joint_mean(total, 2 * len(batch.z_a))


def clip_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.07,
    gather_distributed: bool = False,
    *,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """CLIP's loss of embeddings z_a and z_b, both (batch, dim), at a fixed temperature: see `CLIPLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 3)
    >>> clip_loss(collapsed, collapsed)     # log n
    tensor(1.3863)
    """
    return CLIPLoss(temperature, gather_distributed, learnable=False, normalize=normalize)(z_a, z_b)
