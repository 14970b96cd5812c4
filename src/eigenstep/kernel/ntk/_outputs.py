"""Which scalar functions of a network's outputs a kernel is summed over."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import torch
from torch import Tensor


def cotangents_of(outputs: Any, n_outputs: int, random_state: Any, like: Tensor) -> Tensor:
    """Return cotangents c_k as rows (K, O), for the kernel sum_k <grad c_k . f(x), grad c_k . f(x')>.

    "mean": every output over sqrt(O), so that the kernel is the trace of the O x O block over O. "random":
    one row of random signs over sqrt(O), whose kernel has that mean. An integer: that output alone.

    Raises
    ------
    ValueError : none of these, or a random_state that is no seed

    Examples
    --------
    >>> cotangents_of("mean", 4, None, torch.zeros(1)).diagonal()
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if isinstance(outputs, str) and outputs == "mean":
        return torch.eye(n_outputs, dtype=like.dtype, device=like.device) / n_outputs**0.5
    if isinstance(outputs, str) and outputs == "random":
        try:
            generator = np.random.default_rng(random_state)
        except (TypeError, ValueError):
            raise ValueError(
                f"expected random_state as an integer >= 0, a Generator or None, got {random_state!r}"
            ) from None
        signs = generator.choice([-1.0, 1.0], size=(1, n_outputs))
        return torch.from_numpy(signs / n_outputs**0.5).to(like)
    if isinstance(outputs, numbers.Integral) and not isinstance(outputs, bool):
        if not -n_outputs <= int(outputs) < n_outputs:
            raise ValueError(f"expected an output below {n_outputs}, which the model has, got {outputs}")
        row = torch.zeros(1, n_outputs, dtype=like.dtype, device=like.device)
        row[0, int(outputs)] = 1
        return row
    raise ValueError(f'expected outputs as "mean", "random" or an output\'s number, got {outputs!r}')
