import math
from typing import Literal

import torch
from torch import Tensor

from eigenstep.analysis import CHANCE, FLOOR, Landmark
from eigenstep.losses._contrastive import Similarities
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._labelled_loss import LabelledLoss, of_one_class
from eigenstep.losses._landmarks import BLIND


class SupConLoss(LabelledLoss):
    r"""Supervised contrastive loss: each view picks the views of its class out of the whole batch.

        s_kl = z_k . z_l / temperature                            z: the 2n embeddings of both views
        L = 1/(2n) sum_k [ -1/|P(k)| sum_{p in P(k)} s_kp + log sum_{l != k} exp s_kl ]

    P(k): all other views with the label of k, among them the other view of its sample. The terms are
    "alignment", the mean over k of -s_kp averaged over P(k), and "uniformity", the mean of the logarithm;
    both have weight 1. Khosla et al. 2020, arXiv:2004.11362, equation 2 (L_out), with the temperature that
    the paper trains with.

    Unlike the other losses it takes labels: `loss(z_a, z_b, labels)` and `loss.terms(z_a, z_b, labels)`,
    with integer labels of shape (batch,), any value being a class.

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
    If all labels differ this is `NTXentLoss`. With normalize="none" small embeddings W x have the gradient
    that is given there, with the cross-correlation of all views of a class in the place of Gamma:
    Gamma_P = 1/(2n) sum_k 1/|P(k)| sum_{p in P(k)} x_k x_p^T.

    Note: the authors' code multiplies the loss by temperature / base_temperature, which is 1 by default.

    Examples
    --------
    >>> z, labels = torch.eye(2)[[0, 0, 1]], torch.tensor([5, 5, 7])
    >>> SupConLoss(temperature=1.0).terms(z, z, labels)
    {'alignment': tensor(-1.), 'uniformity': tensor(2.1802)}
    """

    def _landmarks(self, pairs: int, dim: int, classes: int | None) -> list[Landmark]:
        found = [Landmark(CHANCE, math.log(2 * pairs - 1), BLIND)]
        if self.normalize == "cosine" and classes is not None:
            of_class = 2 * pairs / min(classes, pairs)  # views of one class, where all are equally frequent
            apart = (2 * pairs - of_class) * math.exp(-1 / self.temperature)
            says = (
                "each class is one embedding, at right angles to the others, in batches that have all alike"
            )
            found.append(Landmark(FLOOR, math.log(of_class - 1 + apart), says))
        return found

    def _loss(self, batch: JointBatch) -> Tensor:
        return self._log_loss(batch, self._similarities(batch))

    def _terms(self, batch: JointBatch) -> dict[str, Tensor]:
        return self._terms_of(batch, self._similarities(batch))

    def _loss_and_terms(self, batch: JointBatch) -> tuple[Tensor, dict[str, Tensor]]:
        similarities = self._similarities(batch)
        with torch.no_grad():
            terms = self._terms_of(batch, similarities)
        return self._log_loss(batch, similarities), terms

    def _log_loss(self, batch: JointBatch, similarities: Similarities) -> Tensor:
        # As in NT-Xent, not the sum of the terms.
        log_probabilities = similarities.values.log_softmax(1)
        positive = _means_over_positives(log_probabilities, similarities, batch)
        return batch.joint_mean(-positive.sum(), 2 * len(batch.z_a))

    def _terms_of(self, batch: JointBatch, similarities: Similarities) -> dict[str, Tensor]:
        positive = _means_over_positives(similarities.values, similarities, batch)
        return self._mean_terms(batch, positive, similarities.values)


def sup_con_loss(
    z_a: Tensor,
    z_b: Tensor,
    labels: Tensor,
    temperature: float = 0.1,
    *,
    gather_distributed: bool = False,
    normalize: Literal["cosine", "none"] = "cosine",
) -> Tensor:
    """The supervised contrastive loss of z_a and z_b, both (batch, dim), with labels: see `SupConLoss`.

    Examples
    --------
    >>> collapsed, labels = torch.ones(4, 3), torch.tensor([0, 0, 1, 1])
    >>> sup_con_loss(collapsed, collapsed, labels)      # log(2n - 1), whatever the labels
    tensor(1.9459)
    """
    loss = SupConLoss(temperature, gather_distributed=gather_distributed, normalize=normalize)
    return loss(z_a, z_b, labels)


def _means_over_positives(values: Tensor, similarities: Similarities, batch: JointBatch) -> Tensor:
    """The mean over P(k) of each row k of values, (rows, 2n)."""
    positives = of_one_class(similarities, batch).scatter(1, similarities.itself[:, None], False)
    return values.masked_fill(~positives, 0).sum(1) / positives.sum(1)
