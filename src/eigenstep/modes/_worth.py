"""What modes are worth for labels: alignment one by one, accuracy of the first, the last and any few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eigenstep.modes._evaluated import EvaluatedModes, orthonormal
from eigenstep.modes._held_out import Halves
from eigenstep.probes import chance, knn_probe, ridge_probe

Array = NDArray[np.float64]

# Choices of random modes whose accuracies are averaged.
DRAWS = 5
# Modes in the small sets that are compared.
FEW = 8
NEIGHBOURS = 20
# Alignments of all modes together are nothing up to so many standard deviations of what chance gives.
CHANCE_ERRORS = 3.0


@dataclass(frozen=True)
class Accuracy:
    """Of some modes, on images that the probe was not fitted to; standard errors over these images.

    Attributes
    ----------
    modes : str
        Which, in words.
    knn_white, knn_weighted : tuple[float, float]
        k-NN on modes of one variance, and of their own: accuracy and standard error.
    ridge : tuple[float, float]
        Which standardises, so that there is one.
    """

    modes: str
    knn_white: tuple[float, float]
    knn_weighted: tuple[float, float]
    ridge: tuple[float, float]


@dataclass(frozen=True)
class Worth:
    """What labels can use.

    Attributes
    ----------
    alignments : list[float]
        Of each mode the share of the labels' variance that is along it, less what chance gives.
    half : int | None
        The number of first modes that hold half of what all of them do; None where all together hold no more
        than chance may give.
    accuracies : list[Accuracy]
        Of the first, the last, random and all modes.
    chance : float
        The share of the largest class.
    """

    alignments: list[float]
    half: int | None
    accuracies: list[Accuracy]
    chance: float

    @property
    def sentence(self) -> str:
        """In one line."""
        if self.half is None:
            return "labels can use nothing of these modes beyond what chance gives"
        if self.half == 1:
            which = "is in the first mode"
        else:
            which = f"is in the first {self.half} modes"
        return f"half of what labels can use of these {len(self.alignments)} modes {which}"


def alignments(values: Array, labels: NDArray[np.int64]) -> Array:
    """|q_j^T Y|^2 / |Y|^2 - 1 / (n - 1), (m,): Y the centred one-hot labels, q_j orthonormalised in order.

    Their sum is at most 1; by chance each is 0 on average.

    Examples
    --------
    >>> labels = np.array([0, 0, 1, 1])
    >>> alignments(np.array([[-1.0], [-1], [1], [1]]), labels).round(3)
    array([0.667])
    """
    wanted = _one_hot(labels)
    shares = np.square(orthonormal(values).T @ wanted).sum(axis=1) / np.square(wanted).sum()
    result: Array = shares - 1 / (len(values) - 1)
    return result


def worth(modes: EvaluatedModes, labels: NDArray[np.int64], split: Halves, seed: int = 0) -> Worth:
    """What the labels (n,) of the images can use of the modes.

    Accuracies are of both halves, each predicted from the other.

    Examples
    --------
    >>> from eigenstep.modes import halves
    >>> labels = np.arange(200) % 2
    >>> values = np.random.default_rng(0).normal(size=(200, 2)) + 4 * labels[:, None] * [1, 0]
    >>> worth(EvaluatedModes(values, np.array([2.0, 1.0]), values), labels, halves(200)).sentence
    'half of what labels can use of these 2 modes is in the first mode'
    """
    found = alignments(modes.values, labels)
    sums = np.cumsum(found)
    total = float(sums[-1])
    beyond = CHANCE_ERRORS * _spread_by_chance(labels, len(found))
    half = int(np.argmax(sums >= total / 2)) + 1 if total > beyond else None
    count = modes.values.shape[1]
    accuracies = []
    few = min(FEW, max(1, count // 2))
    if count > 1:
        words = "" if few == 1 else f" {few}"
        accuracies.append(_accuracy(f"first{words}", modes, [range(few)], labels, split))
        accuracies.append(_accuracy(f"last{words}", modes, [range(count - few, count)], labels, split))
        generator = np.random.default_rng([seed, 3])
        draws = [generator.permutation(count)[:few].tolist() for _ in range(DRAWS)]
        accuracies.append(_accuracy(f"random{words}", modes, draws, labels, split))
    accuracies.append(_accuracy(f"all {count}", modes, [range(count)], labels, split))
    return Worth(found.tolist(), half, accuracies, chance(labels))


def _accuracy(
    words: str,
    modes: EvaluatedModes,
    choices: Sequence[Sequence[int]],
    labels: NDArray[np.int64],
    split: Halves,
) -> Accuracy:
    spread = modes.values.std(axis=0)
    white = (modes.values - modes.values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    weighted = white * np.sqrt(np.maximum(modes.strengths, 0))
    targets = torch.from_numpy(labels)
    found: dict[str, list[float]] = {"white": [], "weighted": [], "ridge": []}
    for choice in choices:
        rows = {
            "white": torch.from_numpy(white[:, list(choice)]),
            "weighted": torch.from_numpy(weighted[:, list(choice)]),
        }
        for fit, test in ((split.first, split.second), (split.second, split.first)):
            for name, values in rows.items():
                told = knn_probe(values[fit], targets[fit], values[test], targets[test], k=NEIGHBOURS)
                found[name].append(told.accuracy)
            told = ridge_probe(rows["white"][fit], targets[fit], rows["white"][test], targets[test])
            found["ridge"].append(told.accuracy)
    return Accuracy(
        words, *(_with_error(found[name], len(labels)) for name in ("white", "weighted", "ridge"))
    )


def _with_error(accuracies: list[float], count: int) -> tuple[float, float]:
    """Mean, and its standard error over the images; of several choices also over these."""
    mean = float(np.mean(accuracies))
    error = mean * (1 - mean) / count
    choices = np.reshape(accuracies, (-1, 2)).mean(axis=1)
    if len(choices) > 1:
        error += float(choices.var(ddof=1)) / len(choices)
    return mean, float(np.sqrt(error))


def _spread_by_chance(labels: NDArray[np.int64], modes: int) -> float:
    """Standard deviation of the sum of the alignments of so many modes that know nothing of the labels.

    By chance |q^T Y|^2 is a sum of squared normal numbers, weighted by the eigenvalues of Y^T Y.
    """
    wanted = _one_hot(labels)
    classes = wanted.T @ wanted
    evenness = float(np.square(classes).sum() / np.trace(classes) ** 2)
    return float(np.sqrt(2 * modes * evenness)) / (len(labels) - 1)


def _one_hot(labels: NDArray[np.int64]) -> Array:
    wanted = (labels[:, None] == np.unique(labels)).astype(np.float64)
    result: Array = wanted - wanted.mean(axis=0)
    return result
