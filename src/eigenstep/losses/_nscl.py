import math
from typing import Literal

import torch
from torch import Tensor

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._labelled_loss import LabelledLoss, of_one_class


class NSCLLoss(LabelledLoss):
    r"""Negatives-only supervised contrastive loss: DCL whose negatives are the other classes' views alone.

        s_kl = z_k . z_l / temperature                            z: the 2n embeddings of both views
        L = 1/(2n) sum_k [ -s_kp(k) + log sum_{l: y_l != y_k} exp s_kl ]

    p(k): the other view of k's sample, the only view that k is drawn to; y: the labels. The terms are
    "alignment", the mean of -s_kp(k), and "uniformity", the mean of the logarithm; both have weight 1. A view
    without negatives, where the whole batch is of one class, adds nothing to "uniformity". Luthra, Yang and
    Galanti 2025, arXiv:2506.04411, with a temperature; their sum also has each view paired with itself,
    which is a constant by cosine.

    It takes labels as `SupConLoss` does: `loss(z_a, z_b, labels)`.

    Parameters
    ----------
    temperature : float
        Divides the similarities; positive.
    gather_distributed : bool
        Take the other samples, with their labels, from the batches of all ranks. Each rank computes the rows
        of its own samples; the mean over ranks is the loss of the joint batch.
    normalize : Literal['cosine', 'none']
        "cosine" scales every embedding to unit length, as in the paper. "none" takes the inner products of
        the embeddings as they are.

    Raises
    ------
    ValueError
        For an unknown `normalize` or a temperature that is not positive.

    Notes
    -----
    If all labels differ this is `DCLLoss`.

    Examples
    --------
    >>> z, labels = torch.eye(2)[[0, 0, 1]], torch.tensor([5, 5, 7])
    >>> NSCLLoss(temperature=1.0).terms(z, z, labels)      # (4 log 2 + 2 log 4) / 6
    {'alignment': tensor(-1.), 'uniformity': tensor(0.9242)}
    """

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        if classes is None or classes < 2:
            return []  # how many negatives there are is not known
        # Equally frequent classes: as many negatives for each view.
        chance = math.log(2 * pairs - 2 * pairs / min(classes, pairs))
        says = "all embeddings are one, or other classes are no farther than a view's partner"
        found = [Landmark(CHANCE, chance, says)]
        if self.normalize == "cosine":
            says = "partners are one, other classes at right angles"
            found.append(Landmark(FLOOR, chance - 1 / self.temperature, says))
        return found

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        similarities = self._similarities(batch)
        negative = ~of_one_class(similarities, batch)
        # A row without negatives keeps one finite entry, exp 0, whose logarithm is 0.
        alone = (~negative.any(1))[:, None]
        others = similarities.values.masked_fill(~negative, -torch.inf)
        first = torch.arange(others.shape[1], device=others.device) == 0
        return self._mean_terms(batch, similarities.of_partners(), others.masked_fill(alone & first, 0.0))


def nscl_loss(
    z_a: Tensor,
    z_b: Tensor,
    labels: Tensor,
    temperature: float = 0.1,
    *,
    gather_distributed: bool = False,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """The negatives-only supervised contrastive loss of z_a and z_b, both (batch, dim): see `NSCLLoss`.

    Examples
    --------
    >>> collapsed, labels = torch.ones(4, 3), torch.tensor([0, 0, 1, 1])
    >>> nscl_loss(collapsed, collapsed, labels)      # log 4: two samples of the other class, of two views
    tensor(1.3863)
    """
    loss = NSCLLoss(temperature, gather_distributed=gather_distributed, normalize=normalize)
    return loss(z_a, z_b, labels)
