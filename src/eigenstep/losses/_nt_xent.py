import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._contrastive import ContrastiveLoss, Similarities
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import BLIND, ENDLESS, SMALL


class NTXentLoss(ContrastiveLoss):
    r"""NT-Xent, the contrastive loss of SimCLR: each view picks its partner out of the whole batch.

        s_kl = z_k . z_l / temperature                            z: the 2n embeddings of both views
        L = 1/(2n) sum_k [ -s_kp(k) + log sum_{l != k} exp s_kl ]   p(k): the other view of k's sample

    The terms are "alignment", the mean of -s_kp(k), and "uniformity", the mean of the logarithm; both
    have weight 1. Chen et al. 2020, arXiv:2002.05709.

    Parameters
    ----------
    temperature : float
        Divides the similarities; positive.
    memory_bank_size : int | Sequence[int]
        lightly's, which must be off, 0.
    gather_distributed : bool
        Take the other samples, the negatives, from the batches of all ranks. Each rank computes the rows of
        its own samples; the mean over ranks is the loss of the joint batch.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper. "none" takes the inner products of
        the embeddings as they are.

    Raises
    ------
    ValueError
        For an unknown `normalize`, a temperature that is not positive, and a memory bank.

    Notes
    -----
    With normalize="none" embeddings W x start at L = log(2n - 1) with the gradient

        -(2 / temperature) W [ Gamma - 2n/(2n-1) xbar xbar^T + Sigma/(2n-1) ]

    Gamma: cross-correlation of the two views (see `BarlowTwinsLoss`); Sigma, xbar: second moment and
    mean of all 2n views. Thus they grow along the top eigenvectors of the centred Gamma
    (Simon et al. 2023, arXiv:2303.15438). Unit-length embeddings have no such start.

    Note: there is no memory bank, which would make the loss stateful and different in its two views.

    Examples
    --------
    >>> import torch
    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> NTXentLoss(temperature=1.0)(z_a, z_b)   # -1 + log(e + 1 + 1)
    tensor(0.5514)
    >>> NTXentLoss(temperature=1.0).terms(z_a, z_b)
    {'alignment': tensor(-1.), 'uniformity': tensor(1.5514)}
    """

    def __init__(
        self,
        temperature: float = 0.5,
        memory_bank_size: int | Sequence[int] = 0,
        gather_distributed: bool = False,
        *,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(temperature, gather_distributed, normalize)
        sizes = memory_bank_size if isinstance(memory_bank_size, Sequence) else (memory_bank_size,)
        if list(sizes[:1]) != [0]:
            raise ValueError(
                f"NTXentLoss has no memory bank, expected memory_bank_size=0, got {memory_bank_size}; for"
                " more negatives use a larger batch, or gather_distributed=True"
            )

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        value = math.log(2 * pairs - 1)  # all similarities are equal
        if self.normalize == "none":
            return [Landmark(CHANCE, value, SMALL), Landmark(FLOOR, 0.0, ENDLESS)]
        chance = Landmark(CHANCE, value, BLIND)
        others = (2 * pairs - 2) * math.exp(-1 / self.temperature)
        return [chance, Landmark(FLOOR, math.log1p(others), "partners are one, all others at right angles")]

    def _loss(self, batch: JointBatch) -> Tensor:
        return self._cross_entropy(batch, self._similarities(batch))

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        similarities = self._similarities(batch)
        return self._mean_terms(batch, similarities.of_partners(), similarities.values)

    def _loss_and_terms(self, batch: JointBatch) -> tuple[Tensor, dict[str, Tensor]]:
        similarities = self._similarities(batch)
        with torch.no_grad():
            terms = self._mean_terms(batch, similarities.of_partners(), similarities.values)
        return self._cross_entropy(batch, similarities), terms

    def _cross_entropy(self, batch: JointBatch, similarities: Similarities) -> Tensor:
        # Not the sum of the terms: near 0 it is the small difference of two large numbers.
        total = cross_entropy(similarities.values, similarities.partner, reduction="sum")
        return batch.joint_mean(total, 2 * len(batch.z_a))


def nt_xent_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.5,
    memory_bank_size: int | Sequence[int] = 0,
    gather_distributed: bool = False,
    *,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """SimCLR's NT-Xent loss of embeddings z_a and z_b, both (batch, dim): see `NTXentLoss`.

    Examples
    --------
    >>> import torch
    >>> collapsed = torch.ones(4, 3)
    >>> nt_xent_loss(collapsed, collapsed)      # log(2n - 1): every other view is as likely
    tensor(1.9459)
    """
    loss = NTXentLoss(temperature, memory_bank_size, gather_distributed, normalize=normalize)
    return loss(z_a, z_b)
