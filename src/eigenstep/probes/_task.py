"""What every probe is given, checked, and what it gives back."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eigenstep.embeddings import wide_type


@dataclass(frozen=True)
class ProbeTask:
    """Features to learn from and to predict, checked.

    All features are on the device of the training features, all labels on the CPU.
    """

    train: Tensor
    """(n, p)"""
    targets: Tensor
    """The class of each training row, an index into `classes`, (n,)."""
    classes: Tensor
    """The labels of the training set, (c,) int64, ascending."""
    test: Tensor
    """(n_test, p)"""
    test_labels: Tensor
    """(n_test,) int64; may hold labels that are not in `classes`, which nothing can predict."""

    def score(self, predicted: Tensor, strength: float | None = None) -> "ProbeResult":
        """Score predicted indices into `classes`, (n_test,)."""
        return score(self.classes[predicted.cpu()], self.test_labels, self.classes, strength)


def probe_task(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor
) -> ProbeTask:
    """Check what every probe is given.

    Raises
    ------
    TypeError
        Features that are not floating point, labels that are not integers, or no tensors.
    ValueError
        Shapes that do not fit, no rows, NaN or infinite features, or one class only to learn.
    """
    train, train_labels = _labelled("train", train_features, train_labels)
    test, test_labels = _labelled("test", test_features, test_labels)
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"expected train and test features of one width, got {train.shape[1]} and {test.shape[1]}; "
            "take both from the same layer"
        )
    classes, targets = torch.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"expected at least two classes in train_labels, got only {classes.item()}; "
            "a probe needs classes to tell apart"
        )
    return ProbeTask(train, targets, classes, test.to(train.device), test_labels)


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


def chance(labels: ArrayLike) -> float:
    """The accuracy of always guessing the commonest class of labels (n,).

    Examples
    --------
    >>> chance([0, 5, 5, 5])
    0.75
    """
    rows = np.asarray(labels)
    return float(np.unique(rows, return_counts=True)[1].max() / len(rows))


def every_fifth(targets: Tensor) -> Tensor:
    """Every fifth row of each class, from its second on, as a mask (n,): each class keeps a row to learn.

    Examples
    --------
    >>> every_fifth(torch.tensor([0, 0, 1, 0, 0, 0, 0])).nonzero().flatten()
    tensor([1])
    """
    order = targets.argsort(stable=True)
    sizes = torch.bincount(targets)
    rank = torch.arange(len(targets)) - (sizes.cumsum(0) - sizes)[targets[order]]
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    held_out[order] = rank % 5 == 1
    return held_out


def _labelled(part: str, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    for name, value in (("features", features), ("labels", labels)):
        if not isinstance(value, Tensor):
            raise TypeError(f"expected {part}_{name} as a torch tensor, got {type(value).__name__}")
    if not features.is_floating_point():
        raise TypeError(
            f"expected floating-point {part}_features, got {features.dtype}; convert them with .float()"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"expected integer {part}_labels, got {labels.dtype}; convert them with .long()")
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"expected {part}_features (n, p) and {part}_labels (n,), got {tuple(features.shape)} and "
            f"{tuple(labels.shape)}; give one row and one label for each sample"
        )
    if not features.numel():
        raise ValueError(f"{part}_features of shape {tuple(features.shape)} are empty; give at least one row")
    features = features.detach()
    if features.dtype.itemsize == 1:  # torch has no arithmetic for float8
        features = features.to(wide_type(features.dtype))
    broken = len(features) - int(features.isfinite().all(1).sum())
    if broken:
        raise ValueError(
            f"expected finite {part}_features, got NaN or infinity in {broken} of {len(features)} rows; "
            "the network has diverged, or its input has"
        )
    return features, labels.cpu().long()
