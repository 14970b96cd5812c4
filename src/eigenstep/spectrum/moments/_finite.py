"""Samples whose embeddings are finite in all views, and not so large that sums of squares overflow."""

import torch
from torch import Tensor

# Samples of whose squares the sum must be finite too.
SAMPLES = 2**30


def finite_samples(z: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (views, n, d) with samples that are not finite in all views set to zero, and which are (n,).

    Of the type that squares are summed in: what these cannot hold is not finite.

    >>> finite_samples(torch.tensor([[[1.0], [float("nan")]], [[2.0], [3.0]]]))
    (tensor([[[1.],
             [0.]],
            [[2.],
             [0.]]]), tensor([ True, False]))
    """
    valid = _summable(z)
    return torch.where(valid[:, None], z, 0), valid


def finite_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Embeddings (views, n, d) without samples that are not finite, and how many these were.

    >>> finite_rows(torch.tensor([[[1.0], [float("inf")]]]))
    (tensor([[[1.]]]), 1)
    """
    # A finite sum has finite terms, and is found sooner than these are looked at one by one. The squares of
    # smaller types are always finite in float64, in which they are summed.
    if rows.dtype != torch.float64 and bool(torch.isfinite(rows.sum(2)).all()):
        return rows, 0
    valid = _summable(rows.double())
    return rows[:, valid], int((~valid).sum())


def _summable(z: Tensor) -> Tensor:
    return torch.isfinite(SAMPLES * z.square().sum(dim=2)).all(dim=0)
