from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PrincipalAxes:
    """Orthonormal directions in which centred features x (n, p) vary, weakest first."""

    variances: Tensor
    """Eigenvalues of x^T x that float64 tells from zero, (r,)."""
    axes: Tensor
    """(p, r)"""
    scores: Tensor
    """x on the axes, (n, r)."""


def principal_axes(x: Tensor) -> PrincipalAxes:
    """Decompose centred features (n, p) by one eigendecomposition of size min(n, p).

    Examples
    --------
    >>> principal_axes(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).variances
    tensor([2.])
    """
    n, p = x.shape
    variances, vectors = torch.linalg.eigh(x.T @ x if p < n else x @ x.T)
    if p >= n:  # centred rows sum to zero: they span one dimension less than their number
        variances, vectors = variances[1:], vectors[:, 1:]
    told_apart = variances > variances[-1] * max(n, p) * torch.finfo(x.dtype).eps
    variances, vectors = variances[told_apart], vectors[:, told_apart]
    if p < n:
        return PrincipalAxes(variances, vectors, x @ vectors)
    scores = vectors * variances.sqrt()
    return PrincipalAxes(variances, x.T @ (vectors / variances.sqrt()), scores)
