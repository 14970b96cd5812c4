"""What the losses share that compare each view with all others: NT-Xent, DCL, SupCon and NSCL."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize as normalize_rows

from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import (
    FAILS_BY_INNER_PRODUCT,
    LOWERED_ACCURACY,
    TwoViewLoss,
    check_choice,
    check_positive,
)


@dataclass(frozen=True)
class Similarities:
    """s_kl of this rank's views k with all 2n views l: the views z_a, then the views z_b.

    values: s_kl, (rows, 2n), -inf at k = l. itself, partner: the columns of the views k and of the other
    views of their samples, p(k), both (rows,).
    """

    values: Tensor
    itself: Tensor
    partner: Tensor

    def of_partners(self) -> Tensor:
        """s_kp(k) of each row, (rows,)."""
        return self.values.gather(1, self.partner[:, None]).squeeze(1)


class ContrastiveLoss(TwoViewLoss):
    """A loss of the similarities s_kl = z_k . z_l / temperature of 2n views.

    Its terms are means over the views: "alignment" is low where positive pairs are similar, "uniformity"
    where all others are not; both have weight 1. Each rank computes the rows of its own views.

    Raises
    ------
    ValueError
        For an unknown `normalize` or a temperature that is not positive.
    """

    min_pairs = 2

    def __init__(self, temperature: float, gather_distributed: bool, normalize: str) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("cosine", "none"))
        check_positive("temperature", temperature)
        self.temperature = temperature
        self.normalize = normalize

    @property
    def weights(self) -> dict[str, float]:
        return {"alignment": 1.0, "uniformity": 1.0}

    @property
    def refuses_preconditioning(self) -> str | None:
        if self.normalize == "none":
            return FAILS_BY_INNER_PRODUCT
        return f"it compares by cosine; {LOWERED_ACCURACY}"

    def _normalized(self, batch: JointBatch) -> tuple[Tensor, Tensor]:
        if self.normalize == "cosine":
            return normalize_rows(batch.z_a), normalize_rows(batch.z_b)
        return batch.z_a, batch.z_b

    def _similarities(self, batch: JointBatch) -> Similarities:
        z_a, z_b = self._normalized(batch)
        own = batch.own_rows
        values = torch.cat([z_a[own], z_b[own]]) @ torch.cat([z_a, z_b]).T / self.temperature

        index = torch.arange(2 * len(z_a), device=z_a.device)
        index_a, index_b = (view[own] for view in index.chunk(2))
        itself, partner = torch.cat([index_a, index_b]), torch.cat([index_b, index_a])
        return Similarities(values.masked_fill(itself[:, None] == index, -torch.inf), itself, partner)

    def _mean_terms(self, batch: JointBatch, positive: Tensor, others: Tensor) -> dict[str, Tensor]:
        """Both terms from the similarities to raise, (rows,), and those to lower, (rows, 2n)."""
        views = 2 * len(batch.z_a)
        return {
            "alignment": batch.joint_mean(-positive.sum(), views),
            "uniformity": batch.joint_mean(others.logsumexp(1).sum(), views),
        }

    def extra_repr(self) -> str:
        return (
            f"temperature={self.temperature}, gather_distributed={self.gather_distributed}, "
            f"normalize={self.normalize!r}"
        )
