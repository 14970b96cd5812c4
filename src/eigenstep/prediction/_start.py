"""Where a course starts: a network's initial embeddings, or a random small function of the kernel's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Directions of the kernel's functions below this share of the largest are rounding.
_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class Start:
    """views : (N, d) embeddings of the views; images : (m, d) of the images that are predicted."""

    views: NDArray[np.float64]
    images: NDArray[np.float64]


def random_start(
    kernel: NDArray[np.float64], to_images: NDArray[np.float64], scale: float, dim: int, seed: int
) -> Start:
    """A function with independent normal coefficients, of standard deviation `scale`, in d outputs.

    In an orthonormal basis of the kernel's functions on the views (N, N); `to_images` (m, N) are kernel
    values of the images with the views. Every mode has an s_j(0) of the order of `scale`.
    """
    values, vectors = np.linalg.eigh(kernel)
    kept = values > _RANK * values[-1]
    normal = np.random.default_rng(seed).normal(size=(int(kept.sum()), dim))
    coefficients = vectors[:, kept] @ (scale * normal / np.sqrt(values[kept])[:, None])
    return Start(kernel @ coefficients, to_images @ coefficients)
