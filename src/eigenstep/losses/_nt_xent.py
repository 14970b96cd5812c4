from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.functional import normalize as normalize_rows

from eigenstep.losses._gather import JointBatch
from eigenstep.losses._two_view_loss import TwoViewLoss, check_choice


class NTXentLoss(TwoViewLoss):
    r"""NT-Xent, the contrastive loss of SimCLR: each view picks its partner out of the whole batch.

        s_kl = z_k . z_l / temperature                            z: the 2n embeddings of both views
        L = 1/(2n) sum_k [ -s_kp(k) + log sum_{l != k} exp s_kl ]   p(k): the other view of k's sample

    The terms are "alignment", the mean of -s_kp(k), and "uniformity", the mean of the logarithm; both
    have weight 1. Chen et al. 2020, arXiv:2002.05709.

    Args:
        temperature: divides the similarities; positive.
        gather_distributed: take the other samples, the negatives, from the batches of all ranks. Each
            rank computes the rows of its own samples; the mean over ranks is the loss of the joint
            batch.
        normalize: "cosine" scales every embedding to unit length, as in the paper. "none" takes the
            inner products of the embeddings as they are.

    Raises ValueError for an unknown `normalize` or a temperature that is not positive.

    With normalize="none" embeddings W x start at L = log(2n - 1) with the gradient

        -(2 / temperature) W [ Gamma - 2n/(2n-1) xbar xbar^T + Sigma/(2n-1) ]

    Gamma: cross-correlation of the two views (see `BarlowTwinsLoss`); Sigma, xbar: second moment and
    mean of all 2n views. Thus they grow along the top eigenvectors of the centred Gamma
    (Simon et al. 2023, arXiv:2303.15438). Unit-length embeddings have no such start.

    Note: there is no memory bank (lightly's `memory_bank_size`): it would make the loss stateful and
    different in its two views.

    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> NTXentLoss(temperature=1.0)(z_a, z_b)   # -1 + log(e + 1 + 1)
    tensor(0.5514)
    >>> NTXentLoss(temperature=1.0).terms(z_a, z_b)
    {'alignment': tensor(-1.), 'uniformity': tensor(1.5514)}
    """

    min_pairs = 2

    def __init__(
        self,
        temperature: float = 0.5,
        *,
        gather_distributed: bool = False,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("cosine", "none"))
        if not temperature > 0:
            raise ValueError(f"temperature expects a positive number, got {temperature}")
        self.temperature = temperature
        self.normalize = normalize

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": 1.0, "uniformity": 1.0}

    def _loss(self, batch: JointBatch) -> Tensor:
        # Not the sum of the terms: near 0 it is the small difference of two large numbers.
        similarity, partner = self._similarity(batch)
        return _mean_over_ranks(cross_entropy(similarity, partner, reduction="sum"), batch)

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        similarity, partner = self._similarity(batch)
        return {
            "alignment": _mean_over_ranks(-similarity.gather(1, partner[:, None]).sum(), batch),
            "uniformity": _mean_over_ranks(similarity.logsumexp(1).sum(), batch),
        }

    def _similarity(self, batch: JointBatch) -> tuple[Tensor, Tensor]:
        """s_kl of this rank's views k with all 2n views l, -inf at k = l; and the partners p(k)."""
        z_a, z_b, own = batch.z_a, batch.z_b, batch.own_rows
        if self.normalize == "cosine":
            z_a, z_b = normalize_rows(z_a), normalize_rows(z_b)
        similarity = torch.cat([z_a[own], z_b[own]]) @ torch.cat([z_a, z_b]).T / self.temperature

        index = torch.arange(2 * len(z_a), device=z_a.device)
        index_a, index_b = (view[own] for view in index.chunk(2))
        itself = torch.cat([index_a, index_b])[:, None] == index
        return similarity.masked_fill(itself, -torch.inf), torch.cat([index_b, index_a])

    def extra_repr(self) -> str:
        return (
            f"temperature={self.temperature}, gather_distributed={self.gather_distributed}, "
            f"normalize={self.normalize!r}"
        )


def nt_xent_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.5,
    *,
    gather_distributed: bool = False,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """SimCLR's NT-Xent loss of embeddings z_a and z_b, both (batch, dim): see `NTXentLoss`.

    >>> collapsed = torch.ones(4, 3)
    >>> nt_xent_loss(collapsed, collapsed)      # log(2n - 1): every other view is as likely
    tensor(1.9459)
    """
    loss = NTXentLoss(temperature, gather_distributed=gather_distributed, normalize=normalize)
    return loss(z_a, z_b)


def _mean_over_ranks(total: Tensor, batch: JointBatch) -> Tensor:
    """The share of a sum over own rows whose mean over the ranks is the mean over all 2n rows."""
    return total * batch.world_size / (2 * len(batch.z_a))
