import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from eigenstep.analysis import CHANCE, CONSTANT, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._landmarks import BLIND, ENDLESS
from eigenstep.losses._pair_logits import PairLogitsLoss, own_columns


class SigLIPLoss(PairLogitsLoss):
    r"""SigLIP: of every pair of a sample of one side with one of the other, whether they belong together.

        s_ij = a_i . b_j / temperature + bias                     a, b: the n embeddings of each side
        L = 1/n [ sum_i log(1 + exp(-s_ii)) + sum_{i != j} log(1 + exp s_ij) ]

    The two sides may come from two encoders and two kinds of data. The terms are "positives" and "negatives",
    the two sums over n; both have weight 1. Zhai et al. 2023, arXiv:2303.15343.

    Parameters
    ----------
    temperature : float
        Divides the similarities; positive. SigLIP starts from 0.1.
    bias : float
        Is added to them. SigLIP starts from -10, since most pairs do not belong together.
    gather_distributed : bool
        Take the other samples from the batches of all ranks. Each rank computes the rows of its own samples
        of z_a; the mean over ranks is the loss of the joint batch.
    learnable : bool
        Learn both, as the published method does: -log(temperature) and the bias are the parameters
        `logit_scale` and `logit_bias`. Give the loss's parameters to the optimizer, which
        `train(objective=)` does.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper. "none" takes the inner products of
        the embeddings as they are.

    Attributes
    ----------
    logit_scale, logit_bias : torch.nn.Parameter | None
        Scalars; None where they are fixed.

    Raises
    ------
    ValueError
        For an unknown `normalize`, a temperature that is not positive, and a bias that is not finite.

    Notes
    -----
    With normalize="none" embeddings a = W x and b = V y start with the gradients

        -(1 / temperature) V S^T of W,    -(1 / temperature) W S of V
        S = 1/n sum_i x_i y_i^T - n sigmoid(bias) xbar ybar^T

    Thus they grow along the singular vectors of a cross-moment that the bias centres. Centred as by
    `CLIPLoss` it is at bias = -log(n - 1), which -10 is for batches of 22,000; in a batch of a hundred pairs
    -10 leaves the mean in, and what is learned first is the mean.

    Examples
    --------
    >>> z_a, z_b = torch.eye(2), torch.eye(2)
    >>> SigLIPLoss(temperature=1.0, bias=0.0, learnable=False)(z_a, z_b)      # log(1 + 1/e) + log 2
    tensor(1.0064)
    >>> sorted(name for name, _ in SigLIPLoss().named_parameters())
    ['logit_bias', 'logit_scale']
    """

    def __init__(
        self,
        temperature: float = 0.1,
        bias: float = -10.0,
        gather_distributed: bool = False,
        *,
        learnable: bool = True,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(temperature, gather_distributed, learnable, normalize)
        if not math.isfinite(bias):
            raise ValueError(f"bias expects a finite number, got {bias}")
        self._fixed_bias = float(bias)
        self.logit_bias = nn.Parameter(torch.tensor(float(bias))) if learnable else None

    @property
    def bias(self) -> float:
        """What is added to the similarities now."""
        return self._fixed_bias if self.logit_bias is None else float(self.logit_bias.detach())

    @property
    def weights(self) -> dict[str, float]:
        return {"positives": 1.0, "negatives": 1.0}

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        others = pairs - 1
        if self.learnable:  # the bias that serves unrelated embeddings best, -log(n - 1), is learned first
            chance = math.log(pairs) + others * math.log(pairs / others)
            return [
                Landmark(CHANCE, chance, BLIND),
                Landmark(FLOOR, 0.0, "approached as the scale is learned"),
            ]
        bias, far = self._fixed_bias, self._fixed_bias + self._fixed_scale
        unrelated = Landmark(
            CHANCE,
            _softplus(-bias) + others * _softplus(bias),
            "views are unrelated, or of hardly any length",
        )
        if self.normalize == "none":
            return [unrelated, Landmark(FLOOR, 0.0, ENDLESS)]
        return [
            unrelated,
            Landmark(CONSTANT, _softplus(-far) + others * _softplus(far), "all embeddings are one"),
            Landmark(
                FLOOR,
                _softplus(-far) + others * _softplus(bias),
                "partners are one, all others at right angles",
            ),
        ]

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        z_a, z_b = self._directions(batch)
        logits = z_a[batch.own_rows] @ z_b.T * self._scale()
        logits = logits + (self._fixed_bias if self.logit_bias is None else self.logit_bias)
        columns, n = own_columns(batch)[:, None], len(z_b)
        others = logits.scatter(1, columns, -torch.inf)
        return {
            "positives": batch.joint_mean(softplus(-logits.gather(1, columns)).sum(), n),
            "negatives": batch.joint_mean(softplus(others).sum(), n),
        }

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bias={self.bias:.4g}"


def siglip_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.1,
    bias: float = -10.0,
    gather_distributed: bool = False,
    *,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """SigLIP's loss of embeddings z_a and z_b, both (batch, dim), at fixed numbers: see `SigLIPLoss`.

    Examples
    --------
    >>> collapsed = torch.ones(4, 3)
    >>> siglip_loss(collapsed, collapsed, temperature=1.0, bias=-1.0)     # n log 2
    tensor(2.7726)
    """
    return SigLIPLoss(temperature, bias, gather_distributed, learnable=False, normalize=normalize)(z_a, z_b)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
