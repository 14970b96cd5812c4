"""Modes of embeddings: principal directions, found once more from other images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eigenstep.modes._evaluated import EvaluatedModes
from eigenstep.modes._thirds import Thirds

Array = NDArray[np.float64]

# A direction with less than this share of the largest variance is not shown by an embedding.
SHOWN = 0.01
# Directions at most.
MOST = 64


def principal_modes(
    embeddings: NDArray[np.floating],
    thirds: Thirds,
    beside: NDArray[np.floating] | None = None,
    when: str = "",
    step: int | None = None,
    most: int = MOST,
) -> EvaluatedModes:
    """Principal directions of centred embeddings from one third of the images, on the last third.

    They are found again from another third, in the embeddings of a run beside where there is one.

    Parameters
    ----------
    embeddings, beside : NDArray[np.floating], NDArray[np.floating] | None
        (n, d) and (n, d2).
    thirds : Thirds
        Of the n images.
    most : int
        Directions at most.

    Raises
    ------
    ValueError
        Embeddings that are not finite, or do not vary.
    """
    what = f"embeddings {when}".strip()
    for each in (embeddings, beside):
        if each is not None and not np.isfinite(each).all():
            raise ValueError(f"{what}: expected finite numbers, got NaN or infinity")
    values, variances, directions = _principal(embeddings, thirds.first, thirds.judged, most)
    if not len(variances):
        raise ValueError(f"{what}: expected some that vary between images, all are the same")
    again, *_ = _principal(embeddings if beside is None else beside, thirds.second, thirds.judged, most)
    return EvaluatedModes(values, variances, again, when, step, directions)


def _principal(
    embeddings: NDArray[np.floating], rows: NDArray[np.int64], judged: NDArray[np.int64], most: int
) -> tuple[Array, Array, tuple[Array, Array]]:
    """Values (judged, m) along principal directions of some rows, variances (m,), mean and directions."""
    learned = embeddings[rows].astype(np.float64)
    mean = learned.mean(axis=0)
    _, singular, directions = np.linalg.svd(learned - mean, full_matrices=False)
    variances = singular**2 / len(rows)
    floor = max(SHOWN * variances.max(initial=0.0), (1e-6 * np.abs(mean).max(initial=0.0)) ** 2)
    shown = (variances > floor).nonzero()[0][:most]
    values: Array = (embeddings[judged].astype(np.float64) - mean) @ directions[shown].T
    return values, variances[shown], (mean, directions[shown])
