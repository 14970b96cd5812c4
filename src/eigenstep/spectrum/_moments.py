"""Streaming moments of two views' embeddings, on their own device."""

import numpy as np
import torch
from torch import Tensor


class Moments:
    """Count, mean, second moment and cross moment of all the embeddings seen, in float64.

    Equal to what one batch of all of them would give. Nothing waits for the device until a value is asked
    for. A single view stands for both.

    >>> moments = Moments(2)
    >>> moments.update(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    >>> moments.covariance()
    array([[1., 0.],
           [0., 0.]])
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.count = 0
        self._sums: list[Tensor] | None = None

    @torch.no_grad()
    def update(self, z_a: Tensor, z_b: Tensor | None = None) -> None:
        """Add a batch (n, d) of one or two views. Raises ValueError for another shape."""
        z_b = z_a if z_b is None else z_b
        if z_a.ndim != 2 or z_a.shape != z_b.shape or z_a.shape[1] != self.dim:
            raise ValueError(
                f"expected embeddings of shape (n, {self.dim}), got {tuple(z_a.shape)} and {tuple(z_b.shape)}"
            )
        a, b = _double(z_a), _double(z_b)
        cross = a.T @ b
        new = [a.sum(0) + b.sum(0), a.T @ a + b.T @ b, cross + cross.T]
        self._sums = new if self._sums is None else [s.add_(n) for s, n in zip(self._sums, new, strict=True)]
        self.count += len(a)

    def covariance(self, *, center: bool = True) -> np.ndarray:
        """The views' pooled second moment (d, d), divided by 2n, about the mean or about zero."""
        return self._moment(1, center)

    def cross_correlation(self, *, center: bool) -> np.ndarray:
        """C = 1/(2n) sum_i (a_i b_i^T + b_i a_i^T), (d, d), about the mean of both views or about zero."""
        return self._moment(2, center)

    def _moment(self, which: int, center: bool) -> np.ndarray:
        if self._sums is None:
            raise ValueError("no embeddings seen yet; call update first")
        total, moment = (self._sums[i].cpu().numpy() / (2 * self.count) for i in (0, which))
        return moment - np.outer(total, total) if center else moment


def _double(z: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none (MPS)."""
    return z.detach().to("cpu" if z.device.type == "mps" else z.device).to(torch.float64)
