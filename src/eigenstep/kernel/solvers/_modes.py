"""What every eigensolver of this room returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Modes:
    """Modes with A K~ a = gamma a and a^T K~ a = 1: unit norm in the kernel's function space.

    eigenvalues : (k,) gamma, descending, float64
    vectors : (N, k) a
    values : (N, k) K~ a, each mode's value on the training views
    residuals : (k,) ||A K~ a - gamma a||_K~, measured
    passes : products with K~ that it took
    indefiniteness : the size of K~'s most negative eigenvalue over the largest, as far as it was seen
    """

    eigenvalues: NDArray[np.float64]
    vectors: Tensor
    values: Tensor
    residuals: NDArray[np.float64]
    passes: int = 1
    indefiniteness: float = 0.0

    @classmethod
    def none(cls, n_views: int) -> Modes:
        """Return no mode at all, as of a kernel that vanishes."""
        empty = torch.empty(n_views, 0, dtype=torch.float64)
        return cls(np.empty(0), empty, empty.clone(), np.empty(0))
