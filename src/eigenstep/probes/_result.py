from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What a probe predicts on the test set and how often it is right. All tensors are on the CPU."""

    accuracy: float
    """Share of the test rows whose class is predicted."""
    classes: Tensor
    """The labels of the training and the test set, (c,) int64, ascending."""
    per_class: Tensor
    """Accuracy on the test rows of each of `classes`, (c,) float64; nan for a class without test rows."""
    predictions: Tensor = field(repr=False)
    """The predicted label of each test row, (n_test,) int64."""
    strength: float | None = None
    """Strength of the regularisation that a linear probe was trained with."""


def score(predictions: Tensor, labels: Tensor, classes: Tensor, strength: float | None = None) -> ProbeResult:
    """Compare predicted labels with the true ones, both (n_test,), given the labels of the training set."""
    classes, index = torch.unique(torch.cat([classes, labels]), return_inverse=True)
    index = index[-len(labels) :]
    right = predictions == labels
    hits, rows = (torch.bincount(index[kept], minlength=len(classes)) for kept in (right, slice(None)))
    return ProbeResult(
        accuracy=int(right.sum()) / len(labels),
        classes=classes,
        per_class=hits.double() / rows,
        predictions=predictions,
        strength=strength,
    )
