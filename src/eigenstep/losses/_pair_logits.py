"""What CLIP and SigLIP share: the logits of all pairs of one side's samples with the other side's."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize as normalize_rows

from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import TwoViewLoss, check_choice, check_positive


class PairLogitsLoss(TwoViewLoss):
    """A loss of the similarities a_i . b_j / temperature, of which a_i . b_i belong together.

    Parameters
    ----------
    temperature : float
        Where it starts, or stays if it is not learnable.
    learnable : bool
        Keep -log(temperature) as the parameter `logit_scale`, which training follows where the loss's
        parameters are given to the optimizer.

    Raises
    ------
    ValueError
        For an unknown `normalize` or a temperature that is not positive.
    """

    min_pairs = 2
    more_views = "refused"  # two kinds of data, one each
    # Largest 1 / temperature that is learned.
    max_scale = math.inf

    def __init__(self, temperature: float, gather_distributed: bool, learnable: bool, normalize: str) -> None:
        super().__init__(gather_distributed)
        check_choice("normalize", normalize, ("cosine", "none"))
        check_positive("temperature", temperature)
        if learnable and temperature * self.max_scale < 1:
            raise ValueError(
                f"temperature expects at least {1 / self.max_scale:g} where it is learned, got {temperature};"
                " use learnable=False"
            )
        self.normalize = normalize
        self.learnable = learnable
        self._fixed_scale = 1 / temperature
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(temperature))) if learnable else None

    @property
    def temperature(self) -> float:
        """What similarities are divided by now."""
        scale = self._fixed_scale if self.logit_scale is None else float(self.logit_scale.detach().exp())
        return 1 / min(scale, self.max_scale if self.learnable else math.inf)

    def _scale(self) -> Tensor | float:
        if self.logit_scale is None:
            return self._fixed_scale
        self.logit_scale.data.clamp_(max=math.log(self.max_scale))
        return self.logit_scale.exp()

    def _directions(self, batch: JointBatch) -> tuple[Tensor, Tensor]:
        """Both sides' embeddings of all ranks, (n, d), as they are compared."""
        if self.normalize == "cosine":
            return normalize_rows(batch.z_a), normalize_rows(batch.z_b)
        return batch.z_a, batch.z_b

    def extra_repr(self) -> str:
        return (
            f"temperature={self.temperature:.4g}, gather_distributed={self.gather_distributed}, "
            f"learnable={self.learnable}, normalize={self.normalize!r}"
        )


def own_columns(batch: JointBatch) -> Tensor:
    """Where the partners of this rank's samples stand among all, (rows,)."""
    return torch.arange(len(batch.z_a), device=batch.z_a.device)[batch.own_rows]
