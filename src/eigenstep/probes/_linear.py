"""What linear probes share: standardised features, their principal axes, and the strengths to choose from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


def standardise(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the training mean of each feature and divide by its training standard deviation (divisor n).

    Returns
    -------
    tuple[Tensor, Tensor]
        New float64 tensors, on the CPU where the device has no float64 (MPS). A feature that is constant in
        the training set, up to rounding, is zero in both: it teaches nothing.

    Examples
    --------
    >>> standardise(torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0]]))
    (tensor([[-1.],
            [ 1.]], dtype=torch.float64), tensor([[3.]], dtype=torch.float64))
    """
    if train.device.type == "mps":
        train, test = train.cpu(), test.cpu()
    train, test = (features.to(torch.float64, copy=True) for features in (train, test))
    mean = train.mean(0)
    train -= mean
    test -= mean
    std = train.square().mean(0).sqrt()
    constant = std <= len(train) * torch.finfo(torch.float64).eps * mean.abs()
    scale = torch.where(constant, 0, 1 / std)
    return train.mul_(scale), test.mul_(scale)


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


def check_strengths(strengths: float | Iterable[float]) -> list[float]:
    """One strength or several as a list. Raises ValueError if there are none or one is not positive."""
    values = [float(value) for value in (strengths if isinstance(strengths, Iterable) else [strengths])]
    if not values or not all(0 < value < math.inf for value in values):
        raise ValueError(f"expected one or more positive strengths, got {strengths}")
    return values
