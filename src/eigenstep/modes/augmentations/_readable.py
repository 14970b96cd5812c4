"""How well labels can be read off features: each row is predicted by a fit that has not seen its label."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from eigenstep.probes import ProbeResult, chance, knn_probe, ridge_probe

# Parts of each class, each told by what is learned from the others.
_FOLDS = 5
# An accuracy says nothing below that of always guessing the commonest class and so many standard errors more,
NEAR_CHANCE_ERRORS = 3.0
# and below this share of the way from there to 1.
NEAR_CHANCE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Readable:
    """What features tell of labels.

    Attributes
    ----------
    right : NDArray[np.float64]
        (n,) for each labelled image 1 where it was told rightly, 0 where not; means of several lie between.
    """

    right: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Share of the images that are told rightly."""
        return float(self.right.mean())

    @property
    def error(self) -> float:
        """Standard error of the accuracy over images."""
        return float(self.right.std() / max(len(self.right) - 1, 1) ** 0.5)

    def by_class(self, labels: ArrayLike) -> NDArray[np.float64]:
        """Share of each class that is told rightly, (c,), for labels (n,) in 0 .. c - 1."""
        rows = np.asarray(labels)
        return np.bincount(rows, self.right) / np.bincount(rows)


def ridge_readable(features: Tensor, labels: Tensor) -> Readable:
    """Ridge regression onto the classes, each fifth of every class told by the fit to the other four.

    Not the fit to all images but one: that knows of each image that its class has one image less, and where
    features tell nothing it is wrong of every image.

    Parameters
    ----------
    features : Tensor
        (n, p), floating point.
    labels : Tensor
        (n,) integers in 0 .. c - 1.

    Raises
    ------
    ValueError
        Features that are not finite, or labels of one class.

    Examples
    --------
    >>> features = torch.tensor([[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]])
    >>> ridge_readable(features, torch.tensor([0, 0, 0, 1, 1, 1])).accuracy
    1.0
    """
    return _by_fifths(features, labels, ridge_probe)


def knn_readable(features: Tensor, labels: Tensor, neighbours: int = 20) -> Readable:
    """The weighted vote of the nearest neighbours by cosine, each fifth of a class told by the other images.

    Parameters, errors: as of `ridge_readable`; `neighbours` is how many vote.

    Examples
    --------
    >>> features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> labels = (features[:, 0] > 0).long()
    >>> type(knn_readable(features, labels, neighbours=5)).__name__
    'Readable'
    """
    return _by_fifths(features, labels, partial(knn_probe, k=neighbours))


def _by_fifths(features: Tensor, labels: Tensor, probe: Callable[..., ProbeResult]) -> Readable:
    check_features(features)
    check_classes(labels)
    order = labels.argsort(stable=True)
    sizes = torch.bincount(labels)
    fold = torch.empty_like(labels)
    fold[order] = (torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[labels[order]]) % _FOLDS
    right = torch.zeros(len(labels), dtype=torch.float64)
    for part in range(_FOLDS):
        test = fold == part
        if not test.any():
            continue
        found = probe(features[~test], labels[~test], features[test], labels[test])
        right[test] = (found.predictions == labels[test]).double()
    return Readable(right.numpy())


def says_nothing(accuracy: float, labels: ArrayLike) -> bool:
    """Whether an accuracy is so near that of guessing that it says nothing of how sets differ.

    Examples
    --------
    >>> labels = [0, 1, 2, 3] * 100
    >>> says_nothing(0.30, labels), says_nothing(0.50, labels)
    (True, False)
    """
    guess = chance(labels)
    error = (guess * (1 - guess) / len(np.asarray(labels))) ** 0.5
    return accuracy < max(guess + NEAR_CHANCE_ERRORS * error, guess + NEAR_CHANCE_SHARE * (1 - guess))


def check_features(features: Tensor) -> None:
    """Raise ValueError if features are not finite."""
    broken = len(features) - int(features.isfinite().all(1).sum())
    if broken:
        raise ValueError(
            f"expected finite features, got NaN or infinity in {broken} of {len(features)} images; the"
            " network has diverged (lower its rate), or the images have such values"
        )


def check_classes(labels: Tensor) -> None:
    """Raise ValueError if fewer than two classes have labels, or several images each."""
    classes, sizes = torch.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"expected labels of at least two classes, got {len(classes)} over {len(labels)} images; there is"
            " nothing to tell apart, so leave the labels out with --labels no"
        )
    several = int((sizes > 1).sum())
    if several < 2:
        raise ValueError(
            f"expected at least two classes of several images each, got {several} among {len(classes):,}"
            f" classes of {len(labels):,} images; give --images.label for others, or --labels no"
        )
