"""What a monitor finds in the embeddings of a moment."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of the embeddings at one moment of training.

    Attributes
    ----------
    step, time : when: steps made, and the sum of their learning rates
    count : samples behind it (rows of one view; for the exponential form the effective number)
    cross_correlation : (k,), descending: eigenvalues of C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T)
    covariance : (k,), descending: eigenvalues of the two views' pooled, centred covariance
    eigenvectors : (d, k), unit columns belonging to `cross_correlation`, or None if they were not asked for
    residuals : (k,), |C v - lambda v| relative to the largest |lambda|, or None where all eigenvalues are
        exact
    measures : rank and collapse measures by name, see docs/measures.md
    nonfinite : samples that were left out since they held a NaN or an infinity

    k is the dimension d up to 2048 dimensions, above that the number of leading eigenvalues kept.
    """

    step: int
    time: float
    count: int
    cross_correlation: np.ndarray
    covariance: np.ndarray
    eigenvectors: np.ndarray | None
    residuals: np.ndarray | None
    measures: dict[str, float]
    nonfinite: int = 0
