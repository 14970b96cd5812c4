"""Samples whose embeddings are finite in all views."""

import torch
from torch import Tensor


def finite_samples(z: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (views, n, d) with samples that are not finite in all views set to zero, and which are (n,).

    >>> finite_samples(torch.tensor([[[1.0], [float("nan")]], [[2.0], [3.0]]]))
    (tensor([[[1.],
             [0.]],
            [[2.],
             [0.]]]), tensor([ True, False]))
    """
    valid = torch.isfinite(z).all(dim=2).all(dim=0)
    return torch.where(valid[:, None], z, 0), valid


def finite_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Embeddings (views, n, d) without samples that are not finite, and how many these were.

    >>> finite_rows(torch.tensor([[[1.0], [float("inf")]]]))
    (tensor([[[1.]]]), 1)
    """
    # A finite sum has finite terms, and is found sooner than these are looked at one by one.
    if bool(torch.isfinite(rows.sum(2)).all()):
        return rows, 0
    valid = torch.isfinite(rows).all(dim=2).all(dim=0)
    return rows[:, valid], int((~valid).sum())
