"""What the losses share that take labels beside the embeddings."""

from typing import Literal

import torch
from torch import Tensor

from eigenstep.losses._contrastive import ContrastiveLoss, Similarities
from eigenstep.losses._joint_batch import JointBatch
from eigenstep.losses._two_view_loss import outside_autocast


class LabelledLoss(ContrastiveLoss):
    """A contrastive loss that is called with labels, `loss(z_a, z_b, labels)`; any integer is a class."""

    more_views = "refused"

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        gather_distributed: bool = False,
        normalize: Literal["cosine", "none"] = "cosine",
    ) -> None:
        super().__init__(temperature, gather_distributed, normalize)

    def forward(self, z_a: Tensor, z_b: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """The loss of embeddings z_a and z_b, both (batch, dim), with integer labels (batch,): a scalar.

        The scalar is float64 for float64 embeddings and float32 for all others.

        Raises
        ------
        TypeError
            For anything but tensors.
        ValueError
            For labels of another shape or kind, and as the other losses do for embeddings that are not two
            floating-point tensors of one shape (batch, dim), or fewer than two pairs.
        """
        with outside_autocast(z_a=z_a, z_b=z_b, labels=labels):
            return self._loss(self._joint_batch(z_a, z_b, _checked(labels, z_a)))

    def terms(self, z_a: Tensor, z_b: Tensor, labels: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """The terms of the loss by name, each a scalar before its factor in `weights`."""
        with outside_autocast(z_a=z_a, z_b=z_b, labels=labels):
            return self._terms(self._joint_batch(z_a, z_b, _checked(labels, z_a)))

    def loss_and_terms(  # type: ignore[override]
        self, z_a: Tensor, z_b: Tensor, labels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the call and `terms` give, computed once; the terms carry no gradient."""
        with outside_autocast(z_a=z_a, z_b=z_b, labels=labels):
            return self._loss_and_terms(self._joint_batch(z_a, z_b, _checked(labels, z_a)))


def of_one_class(similarities: Similarities, batch: JointBatch) -> Tensor:
    """Which views l have the label of view k, itself among them: (rows, 2n)."""
    assert batch.labels is not None
    labels = batch.labels.repeat(2)
    return labels[similarities.itself, None] == labels


def _checked(labels: Tensor, z_a: Tensor) -> Tensor:
    if labels.shape != z_a.shape[:1]:
        raise ValueError(
            f"labels must have shape (batch,), one for each row of z_a, got {tuple(labels.shape)} "
            f"for z_a of shape {tuple(z_a.shape)}"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels must be integers, got {labels.dtype}; for one-hot rows use .argmax(1)")
    return labels.to(z_a.device, torch.int64)
