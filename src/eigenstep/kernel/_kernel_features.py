"""Explicit features of a kernel: what landmarks span of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from eigenstep.kernel.functions import LinearKernel, central_row, make_kernel
from eigenstep.kernel.solvers import choose_landmarks

Matrix = NDArray[np.float64]
# Principal directions whose standard deviation is up to so many roundings of the largest are none.
_ROUNDINGS = 100
# Kernel values computed at a time when rows are embedded.
_TRANSFORM_ENTRIES = 2**24


@dataclass(frozen=True, eq=False)
class KernelFeatures:
    """Centred features of rows, whose inner products are the centred kernel's values as landmarks span them.

    Attributes
    ----------
    kernel, landmarks : Any
        The kernel and the prepared rows of m landmarks.
    inverse : NDArray[np.float64]
        (m, m) L^-T, K = L L^T the landmarks' kernel matrix: features are k(x, landmarks) L^-T.
    mean : NDArray[np.float64]
        (m,) of the training rows' features.
    training : NDArray[np.float64]
        (n, m) the training rows' centred features.
    explained : float
        The share of the sum of K(x, x) that features hold.
    """

    kernel: Any
    landmarks: Any
    inverse: Matrix
    mean: Matrix
    training: Matrix
    explained: float

    @classmethod
    def of(
        cls,
        rows: NDArray[Any],
        kernel: str | Callable[..., Any],
        parameters: Mapping[str, Any],
        n_landmarks: int,
        draws: np.random.Generator,
    ) -> KernelFeatures:
        """Choose landmarks among the training rows; UserWarning where they leave much out.

        Raises
        ------
        ValueError
            A kernel that does not take the rows, or is zero on all of them.
        """
        tensor = torch.from_numpy(np.array(rows, dtype=np.float64))
        made = make_kernel(kernel, tensor, **parameters)
        if type(made) is LinearKernel:
            made.shift = central_row(tensor)
        prepared = made.prepare(tensor)
        precision = torch.float32 if rows.dtype == np.float32 else torch.float64
        chosen = choose_landmarks(made, prepared, n_landmarks, draws, precision=precision)
        inverse = scipy.linalg.solve_triangular(
            chosen.factor.cpu().numpy(), np.eye(len(chosen.indices)), lower=True
        ).T
        side = cls(made, prepared[chosen.indices], inverse, np.zeros(len(inverse)), np.empty((0, 0)), 0.0)
        raw = side.features(rows)
        total = float(made.diagonal(prepared).sum())
        explained = min(1.0, float((raw**2).sum()) / total)
        if len(chosen.indices) == n_landmarks < len(rows) and explained < 1 - 1e-6:
            warnings.warn(
                f"{n_landmarks:,} landmarks explain {explained:.2%} of the {len(rows):,} rows of one side:"
                " late modes come out too small; raise n_landmarks",
                UserWarning,
                stacklevel=4,
            )
        mean = raw.mean(axis=0)
        return cls(made, side.landmarks, inverse, mean, raw - mean, explained)

    def features(self, rows: NDArray[Any]) -> Matrix:
        """Return centred features (n, m)."""
        prepared = self.kernel.prepare(torch.from_numpy(np.array(rows, dtype=np.float64)))
        height = max(1, _TRANSFORM_ENTRIES // len(self.inverse))
        blocks = [
            self.kernel.block(prepared[start : start + height], self.landmarks).numpy() @ self.inverse
            for start in range(0, len(rows), height)
        ]
        centred: Matrix = np.concatenate(blocks) - self.mean
        return centred

    def whitening(self, n_principal: int) -> Matrix:
        """Return the leading principal directions, (m, r), over the square roots of their variances."""
        _, sizes, directions = scipy.linalg.svd(
            self.training / len(self.training) ** 0.5, full_matrices=False
        )
        several = sizes > _ROUNDINGS * np.finfo(np.float64).eps * sizes[0] * len(self.training) ** 0.5
        rank = min(n_principal, int(several.sum()))
        basis: Matrix = directions[:rank].T / sizes[:rank]
        return basis

    def without_training(self) -> KernelFeatures:
        """The same for new rows only."""
        return KernelFeatures(
            self.kernel, self.landmarks, self.inverse, self.mean, np.empty((0, 0)), self.explained
        )
